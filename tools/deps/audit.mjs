// `npm run deps:audit`: fails when a dependency of the package has a known vulnerability of high or critical severity. A registry
// that answers no audits, as mirrors often do, is told and passes: what cannot be asked is no finding.
import { spawnSync } from 'node:child_process';

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' });
const report = JSON.parse(stdout === '' ? '{}' : stdout);
const counts = report.metadata?.vulnerabilities;

if (counts === undefined) {
  const why = report.error?.summary || report.message || 'no report came';
  console.error(`nothing was audited: ${why}`);
} else {
  const grave = Object.values(report.vulnerabilities ?? {}).filter(({ severity }) =>
    /^(high|critical)$/.test(severity),
  );
  console.log(`${counts.total} known vulnerabilities, ${grave.length} of them high or critical`);
  for (const { name, severity, range } of grave) console.error(`${severity}: ${name} ${range}`);
  process.exitCode = grave.length === 0 ? 0 : 1;
}
