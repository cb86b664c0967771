// `npm run docs`: writes what the documentation repeats from elsewhere: the tables of settings, the index of decisions.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { defaultText } from '../../dist/base/config-help.js';
import { envOf, flagOf } from '../../dist/base/config-sources.js';
import { settings } from '../../dist/base/config-table.js';
import { describeAllowed } from '../../dist/base/setting.js';
import { decisionIndex, INDEX_INTRO } from './decision-index.mjs';
import { replaceTables, settingsTables } from './settings-tables.mjs';

const docs = new URL('../../docs/', import.meta.url);

const configuration = new URL('configuration.md', docs);
const tables = settingsTables(settings, { flagOf, envOf, defaultText, describeAllowed });
writeFileSync(configuration, replaceTables(readFileSync(configuration, 'utf8'), tables));

const decisions = new URL('decisions/', docs);
const pages = readdirSync(decisions)
  .filter((file) => /^\d{4}-.+\.md$/.test(file))
  .map((file) => ({ file, text: readFileSync(new URL(file, decisions), 'utf8') }));
writeFileSync(new URL('README.md', decisions), INDEX_INTRO + decisionIndex(pages));
