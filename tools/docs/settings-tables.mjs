/** @typedef {import('../../src/base/setting.js').Setting} Setting */

/**
 * The settings as Markdown, a table per section: what stands between the two markers in docs/configuration.md.
 *
 * @param {Readonly<Record<string, Setting>>} settings
 * @param {{ flagOf: (key: string) => string, envOf: (key: string) => string, defaultText: (setting: Setting) => string, describeAllowed: (setting: Setting) => string }} names
 */
export function settingsTables(settings, { flagOf, envOf, defaultText, describeAllowed }) {
  const lines = [];
  let section = '';
  for (const [key, setting] of Object.entries(settings)) {
    if (setting.section !== section) {
      lines.push('', `### ${setting.section}`, '', '| setting | default | allowed | |', '| --- | --- | --- | --- |');
      section = setting.section;
    }
    const names = `\`${key}\`<br>\`${flagOf(key)}\`<br>\`${envOf(key)}\``;
    lines.push(`| ${names} | ${defaultText(setting)} | ${describeAllowed(setting)} | ${setting.description} |`);
  }
  return `${lines.join('\n').trim()}\n`;
}

export const BEGIN = '<!-- settings: written by `npm run docs`, do not edit -->';
export const END = '<!-- end of settings -->';

/** The document with new tables between its markers. */
export function replaceTables(document, tables) {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('docs/configuration.md has lost its markers');
  return `${document.slice(0, begin + BEGIN.length)}\n\n${tables}\n${document.slice(end)}`;
}
