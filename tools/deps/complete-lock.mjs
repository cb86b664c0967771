// `npm run deps:lock`: completes package-lock.json after a dependency was added or raised.
//
// npm writes an entry for the native package of every platform, but leaves out those that the registry at hand does not have,
// as mirrors often do; `npm ci` then refuses the lock file. The entries follow from the package that names them: the version
// from its `optionalDependencies`, the platform from the name. npm installs only those that fit the machine.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const added = [];

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (place in lock.packages || `${path}/${place}` in lock.packages) continue;
    const platform = platformOf(name);
    if (platform === null || !/^\d+\.\d+\.\d+$/.test(version)) {
      console.error(
        `${name}@${version} is missing from package-lock.json, and its name does not say for which platform it is`,
      );
      process.exitCode = 1;
      continue;
    }
    lock.packages[place] = { version, ...platform, ...(entry.dev === true ? { dev: true } : {}), optional: true };
    added.push(`${name}@${version}`);
  }
}

if (added.length > 0) {
  const [[root, project], ...packages] = Object.entries(lock.packages);
  lock.packages = { [root]: project, ...Object.fromEntries(packages.sort(([a], [b]) => a.localeCompare(b, 'en'))) };
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(`package-lock.json: ${added.length} entries added`);

/** `…-linux-arm64-musl` is for Linux on arm64 with musl; `null` when a name says nothing of the kind. */
function platformOf(name) {
  const match =
    /(android|darwin|freebsd|linux|openharmony|win32)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x)(?:-(\w+))?$/.exec(name);
  if (match === null) return null;
  const [, os, cpu, abi = ''] = match;
  const libc = abi.startsWith('musl') ? 'musl' : abi.startsWith('gnu') ? 'glibc' : null;
  return { cpu: [cpu], ...(libc === null ? {} : { libc: [libc] }), os: [os] };
}
