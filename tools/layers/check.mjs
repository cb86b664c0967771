// `npm run layers`: holds src/ to the table in layers.mjs.
import { fileURLToPath } from 'node:url';
import { checkLayers } from './cruise.mjs';

const { violations, moduleCount, fileCount } = await checkLayers(fileURLToPath(new URL('../..', import.meta.url)));

for (const { rule, from, to, comment } of violations) {
  console.error(`${rule}: ${from}${to === '' || to === from ? '' : ` imports ${to}`} (${comment})`);
}
if (moduleCount !== fileCount) {
  console.error(
    `saw ${moduleCount} modules but src/ has ${fileCount} files: can dependency-cruiser parse this TypeScript?`,
  );
}
if (violations.length > 0 || moduleCount !== fileCount) process.exitCode = 1;
else console.log(`layers: ${moduleCount} modules, no violation`);
