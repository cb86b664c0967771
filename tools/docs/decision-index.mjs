/**
 * The index of decisions, from the first line of each page.
 *
 * @param {readonly { readonly file: string, readonly text: string }[]} pages
 * @returns {string} what docs/decisions/README.md ends with
 */
export function decisionIndex(pages) {
  return pages
    .toSorted((a, b) => (a.file < b.file ? -1 : 1))
    .map(({ file, text }) => {
      const title = /^# \d{4}: (.+)$/m.exec(text)?.[1] ?? file;
      return `- [${file.slice(0, 4)}](${file}) ${title}\n`;
    })
    .join('');
}

export const INDEX_INTRO = `# Decisions

Why things are as they are, one page each ([0001](0001-one-page-per-decision.md)). Numbers are handed out in blocks by subject,
so gaps mean nothing. This list is written by \`npm run docs\`.

`;
