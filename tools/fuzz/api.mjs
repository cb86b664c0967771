/**
 * `npm run test:fuzz-api`: throws what the OpenAPI document allows, and what it does not, at a running process, and fails when
 * anything is answered with 500 or not as the document says. Needs schemathesis (PyPI): the program of that name, or the one that
 * `SCHEMATHESIS` names. Arguments are passed on to it: `-- --max-examples 500`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const project = join(import.meta.dirname, '../..');
const schemathesis = process.env.SCHEMATHESIS ?? 'schemathesis';

/** What ends only when the client does; and what ends the process, or writes and deletes wherever it is told to. */
const LEFT_OUT = '/(live|stream|stop|savepoints)$|^/savepoint-disposal$';

/** Lines of JSON are a media type that the tool cannot write. */
const LINES = '/summary == Appends records, one JSON object per line, and answers when all are durable';

const dataDir = mkdtempSync(join(tmpdir(), 'millrace-fuzz-'));
const server = spawn(process.execPath, ['dist/main.js', '--port', '0', '--data-dir', dataDir, '--log-level', 'error'], {
  cwd: project,
  stdio: ['ignore', 'pipe', 'inherit'],
});

try {
  process.exitCode = await fuzz(await addressOf(server));
} finally {
  const ended = new Promise((resolve) => {
    server.once('exit', resolve);
  });
  server.kill();
  await ended;
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
}

function addressOf(child) {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      const match = /listens\s+(\S+)/.exec(output);
      if (match !== null) resolve(match[1]);
    });
    child.once('exit', () => reject(new Error(`the process ended before it served: ${output}`)));
  });
}

function fuzz(url) {
  const args = [
    'run',
    `${url}/openapi.json`,
    '--checks',
    'not_a_server_error,response_schema_conformance',
    '--max-examples',
    '15',
    '--request-timeout',
    '10',
    '--seed',
    '1',
    '--suppress-health-check',
    'all',
    '--phases',
    'examples,coverage,fuzzing',
    '--warnings',
    'off',
    '--workers',
    '2',
    '--continue-on-failure',
    '--exclude-path-regex',
    LEFT_OUT,
    '--exclude-by',
    LINES,
    ...process.argv.slice(2),
  ];
  // It keeps what it found in the folder where it runs.
  const child = spawn(schemathesis, args, { cwd: dataDir, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
