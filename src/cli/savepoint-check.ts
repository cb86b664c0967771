import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkSavepoint, type SavepointReport } from '../workers/savepoint-check.js';
import { EXIT_FAILED, EXIT_OK, type Invocation, requireOption, UsageError } from './command.js';

/**
 * `savepoint check <path> --job <module>`: what a start of that job from the savepoint would find.
 *
 * @returns exit code 0 when it would start with all of its state, 1 when not
 */
export async function check(
  { values, terminal, environment }: Invocation,
  location: string | undefined,
): Promise<number> {
  if (location === undefined) throw new UsageError('expected the path of a savepoint');
  const jobModule = pathToFileURL(resolve(requireOption(values, 'job'))).href;
  const workDir = await mkdtemp(join(tmpdir(), 'millrace-check-'));
  try {
    const report = await checkSavepoint({ location, jobModule, workDir, environment });
    const isAllowed = values['allow-non-restored-state'] === true;
    const failures = failuresOf(report, isAllowed);
    terminal.out(
      values['json'] === true
        ? `${JSON.stringify({ ...report, failures }, null, 2)}\n`
        : reportText(report, location, failures),
    );
    return failures.length === 0 ? EXIT_OK : EXIT_FAILED;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/** One sentence for everything that stands in the way of a start, or of the first access to a value. */
function failuresOf({ operators, states, refusal }: SavepointReport, isAllowed: boolean): string[] {
  const dropped = isAllowed ? [] : operators.filter(({ verdict }) => verdict === 'dropped');
  return [
    ...(refusal === null ? [] : [refusal]),
    ...dropped.map(
      ({ uid }) => `the job has no operator '${uid}': its state needs --allow-non-restored-state to be left behind`,
    ),
    ...states.flatMap(({ operatorUid, name, failures, failedRows }) => [
      ...failures.map(
        ({ key, reason }) =>
          `operator '${operatorUid}', state '${name}'${key === null ? '' : `, key ${key}`}: ${reason}`,
      ),
      ...(failedRows > failures.length && failures.length > 0
        ? [`operator '${operatorUid}', state '${name}': ${String(failedRows - failures.length)} more values`]
        : []),
    ]),
  ];
}

function reportText(report: SavepointReport, location: string, failures: readonly string[]): string {
  const { checkpointId, storedJob, timestamp, operators, states } = report;
  const lines = [
    `savepoint ${location}`,
    `checkpoint ${String(checkpointId)} of job '${storedJob}', taken ${new Date(timestamp).toISOString()}`,
    '',
  ];
  for (const { uid, verdict } of operators) {
    lines.push(`${verdict.padEnd(8)} ${uid}`);
    for (const state of states.filter(({ operatorUid }) => operatorUid === uid))
      lines.push(`         ${stateText(state)}`);
  }
  lines.push('', failures.length === 0 ? 'the job can start from it' : `${String(failures.length)} failures:`);
  for (const failure of failures) lines.push(`  ${failure}`);
  return `${lines.join('\n')}\n`;
}

function stateText({ name, kind, verdict, rows, versions }: SavepointReport['states'][number]): string {
  const byVersion = Object.entries(versions).map(([version, count]) => `${String(count)} of version ${version}`);
  const counted = byVersion.length === 0 ? `${String(rows)} rows` : `${String(rows)} rows (${byVersion.join(', ')})`;
  return `${kind} '${name}': ${counted}, ${verdict === 'undeclared' ? 'not declared when the operator opens' : verdict}`;
}
