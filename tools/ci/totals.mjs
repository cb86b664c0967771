// Sums the JSON reports of vitest in a folder and closes with "N passed, N failed". A file that failed before its first test
// counts as one failure: otherwise a syntax error would look like fewer tests.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
let passed = 0;
let failed = 0;

for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const failedFiles = report.testResults.filter((file) => file.status === 'failed');
  const brokenFiles = failedFiles.filter((file) => !file.assertionResults.some((test) => test.status === 'failed'));
  passed += report.numPassedTests;
  failed += report.numFailedTests + brokenFiles.length;
  console.log(
    `${name}: ${report.testResults.length} files, ${report.numPassedTests} passed, ${report.numFailedTests} failed, ` +
      `${report.numPendingTests + report.numTodoTests} skipped`,
  );
  for (const file of brokenFiles) console.log(`  failed outside its tests: ${file.name}`);
}

console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
