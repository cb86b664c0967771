import { listCases, runCase } from './run-cases.js';
import type { Verdict } from './run-cases.js';

// npm run conformance -- DIR: runs every case folder in DIR, by default the project's own. The last line says how it went.
const [directory = 'test/conformance/cases'] = process.argv.slice(2);
const counts: Record<Verdict['outcome'], number> = { passed: 0, failed: 0, skipped: 0 };
for (const folder of foldersOf(directory)) {
  const { name, outcome, difference } = runCase(folder);
  counts[outcome]++;
  if (outcome === 'failed') console.log(`FAILED ${name}\n  ${difference}`);
}
if (counts.skipped > 0) console.log(`${String(counts.skipped)} skipped: informational`);
console.log(`${String(counts.passed)} passed, ${String(counts.failed)} failed`);
if (counts.failed > 0) process.exitCode = 1;

function foldersOf(path: string): string[] {
  try {
    const folders = listCases(path);
    if (folders.length > 0) return folders;
    console.error(`there are no cases in ${path}`);
  } catch (error) {
    console.error(`cases cannot be listed: ${(error as Error).message}`);
  }
  process.exitCode = 2;
  return [];
}
