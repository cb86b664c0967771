/** The texts that the settings table turns into for people: `--help` and a list of what is wrong. */
import type { ConfigProblem } from './config-sources.js';
import { envOf, flagOf } from './config-sources.js';
import { settings } from './config-table.js';
import type { MillraceError } from './errors.js';
import { describeAllowed, formatQuantity, type Setting, type SettingTable } from './setting.js';

const WIDTH = 100;
const INDENT = 6;

/** The text of `--help`. */
export function helpText(table: SettingTable = settings): string {
  const lines = [
    'Usage: millrace [run] [options]',
    '       millrace <command> …',
    '',
    'Runs a job: HTTP in front, durable topics, keyed operators on worker threads.',
    'A setting comes from its flag, else from the environment, else from the config file.',
    'Durations may be written with a unit (500ms, 30s, 5m, 24h, 7d), sizes as well (64KiB, 32MiB, 1GiB).',
  ];
  let section = '';
  for (const [key, setting] of Object.entries(table)) {
    if (setting.section !== section) lines.push('', setting.section);
    section = setting.section;
    lines.push(...settingLines(key, setting));
  }
  lines.push(
    '',
    'Other',
    '  -h, --help',
    ...paragraph('Show this text.'),
    '  -v, --version',
    ...paragraph('Show the version.'),
  );
  return `${lines.join('\n')}\n`;
}

/** A configuration error as lines for a terminal, one per wrong setting. */
export function configErrorText(error: MillraceError): string {
  const problems = (error.details?.['problems'] ?? []) as readonly ConfigProblem[];
  const lines = problems.map(({ origin, problem }) => `  ${origin}: ${problem}`);
  const head = lines.length === 0 ? error.message : 'configuration is invalid';
  const cause = error.cause instanceof Error ? [`  ${error.cause.message}`] : [];
  return `${[head, ...lines, ...cause, ...(error.hint === null ? [] : [error.hint])].join('\n')}\n`;
}

/** How a default is written for people. */
export function defaultText(setting: Setting): string {
  if ('defaultText' in setting && setting.defaultText !== undefined) return setting.defaultText;
  if (setting.kind === 'integer' && typeof setting.default === 'number') {
    return formatQuantity(setting.default, setting.unit);
  }
  if (setting.kind === 'list') return setting.default.length === 0 ? 'none' : setting.default.join(',');
  return String(setting.default);
}

function settingLines(key: string, setting: Setting): string[] {
  const facts = [`Default: ${defaultText(setting)}`, envOf(key)];
  if (setting.kind === 'integer' || setting.kind === 'fraction') facts.unshift(capitalised(describeAllowed(setting)));
  return [
    `  ${flagOf(key)}${placeholder(setting)}`,
    ...paragraph(setting.description),
    ...paragraph(`${facts.join('. ')}.`),
  ];
}

function placeholder(setting: Setting): string {
  if (setting.placeholder !== undefined) return ` <${setting.placeholder}>`;
  switch (setting.kind) {
    case 'integer':
      return { none: ' <number>', ms: ' <duration>', bytes: ' <size>' }[setting.unit];
    case 'fraction':
      return ' <share>';
    case 'choice':
      return ` <${setting.choices.join('|')}>`;
    case 'list':
      return ' <list>';
    case 'switch':
      return '';
    case 'text':
    case 'optional-text':
      return ' <text>';
  }
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Words in lines of at most {@link WIDTH} characters. */
function paragraph(text: string): string[] {
  const indent = ' '.repeat(INDENT);
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length > INDENT && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.length > INDENT ? ` ${word}` : word;
  }
  return [...lines, line];
}
