// Makes sure that the S3 server which the tests use is there: versitygw, built from the Go module proxy, two minutes, once per
// machine. Prints its path. `--find` only looks, and fails when it is not there.
//
// Go itself comes from the machine, or else from Debian.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MODULE = 'github.com/versity/versitygw/cmd/versitygw';
const VERSION = 'v1.8.0';

const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'millrace', `versitygw-${VERSION}`);
const binary = join(folder, 'versitygw');

if (!existsSync(binary)) {
  if (process.argv.includes('--find')) process.exit(1);
  if (!canRun('go', ['version'])) installGo();
  mkdirSync(folder, { recursive: true });
  run('go', ['install', `${MODULE}@${VERSION}`], { GOBIN: folder });
}
process.stdout.write(`${binary}\n`);

function installGo() {
  run('apt-get', ['update', '--quiet']);
  run('apt-get', ['install', '--yes', '--quiet', 'golang-go']);
}

function canRun(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed with status ${status}`);
}
