import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultText } from '../../src/base/config-help.js';
import { envOf, flagOf } from '../../src/base/config-sources.js';
import { settings } from '../../src/base/config-table.js';
import { errorCodes } from '../../src/base/errors.js';
import { describeAllowed } from '../../src/base/setting.js';
import { decisionIndex, INDEX_INTRO } from '../../tools/docs/decision-index.mjs';
import { BEGIN, END, settingsTables } from '../../tools/docs/settings-tables.mjs';
import { projectFiles, projectPath, readProjectFile } from '../helpers/project-files.js';

/** What is written in two places says the same in both. */

const documents = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...projectFiles('docs', '.md'),
  ...projectFiles('examples', '.md'),
].filter((path) => existsSync(projectPath(path)));

describe('docs/errors.md', () => {
  const text = readProjectFile('docs/errors.md');
  const documented = [...text.matchAll(/^### (MILLRACE_\w+)$/gm)].map((match) => match[1]);

  it('has one heading for every code, and none for anything else', () => {
    expect(new Set(documented)).toEqual(new Set(Object.keys(errorCodes)));
    expect(documented).toHaveLength(Object.keys(errorCodes).length);
  });

  it.each(Object.entries(errorCodes))(
    'says of %s what the runtime does, and its meaning, cause and cure',
    (code, facts) => {
      const section = text.split(`### ${code}\n`)[1]?.split(/^##/m)[0] ?? '';
      expect(section).toContain(`\`${facts.recovery}\`, HTTP ${facts.http}\n`);
      expect(section).toMatch(/- \*\*Meaning\.\*\* \S[\s\S]*- \*\*Cause\.\*\* \S[\s\S]*- \*\*Cure\.\*\* \S/);
    },
  );

  it('has no code that nothing ever raises', () => {
    const code = projectFiles('src', '.ts').filter((path) => path !== 'src/base/errors.ts');
    const everything = [
      readProjectFile('src/base/errors.ts').split('as const satisfies')[1],
      ...code.map(readProjectFile),
    ];
    const used = everything.join('\n');
    expect(Object.keys(errorCodes).filter((name) => !used.includes(`'${name}'`))).toEqual([]);
  });
});

describe('docs/configuration.md', () => {
  it('has the table of settings as it is in the code (else: npm run docs)', () => {
    const text = readProjectFile('docs/configuration.md');
    const between = text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)).trim();
    expect(between).toBe(settingsTables(settings, { flagOf, envOf, defaultText, describeAllowed }).trim());
  });
});

describe('the settings', () => {
  it('are all read by something', () => {
    const everything = projectFiles('src', '.ts')
      .filter((path) => !path.startsWith('src/base/'))
      .map(readProjectFile)
      .join('\n');
    // What the transport that this release refuses would need is checked already, so that it means one thing for ever.
    const reserved = new Set(['brokers', 'group']);
    const unread = Object.keys(settings).filter((key) => !new RegExp(`\\b${key}\\b`).test(everything));
    expect(unread.filter((key) => !reserved.has(key))).toEqual([]);
  });
});

describe('docs/metrics.md', () => {
  it('lists every metric of the code, and none that is not there', () => {
    const names = (text: string): string[] =>
      [...text.matchAll(/['`](millrace_[a-z_]+)['`]/g)].map((match) => match[1] ?? '');
    const inCode = new Set(projectFiles('src', '.ts').flatMap((path) => names(readProjectFile(path))));
    expect(new Set(names(readProjectFile('docs/metrics.md')))).toEqual(inCode);
  });
});

describe('docs/decisions', () => {
  const pages = projectFiles('docs/decisions', '.md')
    .filter((path) => !path.endsWith('README.md'))
    .map((path) => ({ file: path.slice('docs/decisions/'.length), text: readProjectFile(path) }));

  it('are listed in their index, all of them and nothing else (else: npm run docs)', () => {
    expect(readProjectFile('docs/decisions/README.md')).toBe(INDEX_INTRO + decisionIndex(pages));
  });

  it('have a number each', () => {
    const numbers = pages.map(({ file }) => file.slice(0, 4));
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it.each(pages)('$file has its number, a title, and what a decision consists of', ({ file, text }) => {
    expect(file).toMatch(/^\d{4}-[a-z0-9-]+\.md$/);
    expect(text).toMatch(new RegExp(`^# ${file.slice(0, 4)}: \\S`));
    const headings = [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1]);
    expect(headings).toEqual(['Context', 'Options', 'Decision', 'Consequences', 'Confirmation']);
  });
});

describe('links', () => {
  it.each(documents)('in %s lead somewhere', (path) => {
    const links = [...withoutCode(readProjectFile(path)).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    const broken = links.filter((link) => !/^(https?:|mailto:)/.test(link)).filter((link) => !resolves(path, link));
    expect(broken).toEqual([]);
  });

  it('from code to documents and tests lead to files that exist', () => {
    const folders = ['src', 'test', 'tools', 'bench', 'examples'];
    const code = ['.ts', '.mjs'].flatMap((extension) => folders.flatMap((folder) => projectFiles(folder, extension)));
    const broken = [...code, ...documents].flatMap((path) =>
      [...readProjectFile(path).matchAll(/\b((?:docs|test|tools|examples|bench)\/[\w./-]+\.(?:md|ts|mjs))\b/g)]
        .map((match) => match[1] ?? '')
        .filter((target) => !existsSync(projectPath(target)) && !isExample(target))
        .map((target) => `${path}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

/** Names in rules and instructions that stand for any file. */
function isExample(target: string): boolean {
  return /\bNNNN\b|(^|\/)(a\/b|x|anything)\.(test\.)?(ts|md)$/.test(target);
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
}

function resolves(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : join(dirname(from), path);
  if (!existsSync(projectPath(target))) return false;
  if (anchor === undefined || !target.endsWith('.md')) return true;
  const headings = [...readProjectFile(target).matchAll(/^#+ (.+)$/gm)].map((match) => slug(match[1] ?? ''));
  return headings.includes(anchor);
}

/** A heading's anchor, as GitHub makes it. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}
