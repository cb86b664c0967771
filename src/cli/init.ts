import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../base/errors.js';
import { type Command, EXIT_FAILED, EXIT_OK, textOption, UsageError } from './command.js';

/** Makes a folder that holds a job, its test and what builds them. */
export const init: Command = {
  summary: 'Make a new project: a job, its test, and what builds them.',
  usage: '<folder> [--millrace <version or path>] [--no-install]',
  options: {
    millrace: {
      type: 'string',
      placeholder: 'spec',
      description: 'What package.json asks npm for. Default: this version; a path to a packed tarball works as well.',
    },
    'no-install': { type: 'boolean', description: 'Do not run npm install in the new folder.' },
  },
  async run({ values, positionals, terminal }) {
    const [folder, ...more] = positionals;
    if (folder === undefined || more.length > 0) throw new UsageError('expected the name of one folder');
    const target = resolve(folder);
    await requireEmpty(target);
    await cp(templateDir(), target, { recursive: true });
    // npm leaves a file of this name out of packages, so the template has it under another.
    await rename(join(target, 'gitignore'), join(target, '.gitignore'));
    await fillIn(target, textOption(values, 'millrace', `^${await ownVersion()}`));
    terminal.err(`made ${target}\n`);
    if (values['no-install'] !== true && !(await install(target))) {
      terminal.err('npm install failed: run it again in the new folder\n');
      return EXIT_FAILED;
    }
    terminal.out(
      `cd ${folder}\nnpm test      # the job in one thread, with a clock of its own\nnpm start     # http://localhost:8080\n`,
    );
    return EXIT_OK;
  },
};

async function requireEmpty(target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  if ((await readdir(target)).length === 0) return;
  throw new MillraceError('MILLRACE_CONFIG_INVALID', `the folder "${target}" is not empty`, {
    hint: 'Give the name of a new folder.',
  });
}

/** The name is that of the folder, as far as npm allows it. */
async function fillIn(target: string, millraceSpec: string): Promise<void> {
  const path = join(target, 'package.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as { name: string; dependencies: Record<string, string> };
  manifest.name =
    basename(target)
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, '-')
      .replace(/^[._-]+/, '') || 'job';
  manifest.dependencies['millrace'] = millraceSpec;
  await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
}

async function install(target: string): Promise<boolean> {
  const child = spawn('npm', ['install', '--no-audit', '--no-fund'], {
    cwd: target,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code === 0;
}

function templateDir(): string {
  return fileURLToPath(new URL('../../templates/job', import.meta.url));
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
