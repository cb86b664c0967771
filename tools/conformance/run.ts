import { runCase, listCases } from './run-cases.js';

// npm run conformance -- DIR: runs every case folder in DIR, by default the project's own.
const [directory = 'test/conformance/cases'] = process.argv.slice(2);
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const folder of listCases(directory)) {
  const { name, outcome, difference } = runCase(folder);
  counts[outcome]++;
  if (outcome === 'failed') console.log(`FAILED ${name}\n  ${difference}`);
}
const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed === 0 ? 0 : 1;
