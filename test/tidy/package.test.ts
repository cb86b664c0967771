import { describe, expect, it } from 'vitest';
import { packageHomes } from '../../layers.mjs';
import { projectFiles, readProjectFile } from '../helpers/project-files.js';

/** package.json says what is there. */

interface PackageJson {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readProjectFile('package.json')) as PackageJson;
const sources = new Set(projectFiles('src', '.ts'));

/** The source of a compiled file: `./dist/a/b.d.ts` comes from `src/a/b.ts`. */
function sourceOf(compiled: string): string {
  return compiled.replace('./dist/', 'src/').replace(/(\.d\.ts|\.js)$/, '.ts');
}

describe('package.json', () => {
  it('exports files that the build makes', () => {
    const targets = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    const missing = targets.filter((target) => target !== './package.json' && !sources.has(sourceOf(target)));
    expect(missing).toEqual([]);
  });

  it('names a program that the build makes', () => {
    expect(Object.values(manifest.bin).filter((target) => !sources.has(sourceOf(target)))).toEqual([]);
  });

  it('pins every dependency to one version', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(ranges.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('has a home in layers.mjs for every dependency, and no other', () => {
    const homes = Object.keys(packageHomes);
    const covers = (home: string, name: string): boolean =>
      home.endsWith('/*') ? name.startsWith(home.slice(0, -1)) : home === name;
    const names = Object.keys(manifest.dependencies);
    expect(names.filter((name) => !homes.some((home) => covers(home, name)))).toEqual([]);
    expect(homes.filter((home) => !names.some((name) => covers(home, name)))).toEqual([]);
  });

  it('has the scripts that the documents tell people to run', () => {
    const documents = ['README.md', 'CONTRIBUTING.md', ...projectFiles('docs', '.md')].map(readProjectFile).join('\n');
    const named = new Set([...documents.matchAll(/npm run ([a-z:-]+)/g)].map((match) => match[1] ?? ''));
    expect([...named].filter((name) => !(name in manifest.scripts))).toEqual([]);
  });
});

interface LockEntry {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe('package-lock.json', () => {
  it('has an entry for every platform, so that npm ci accepts it (else: npm run deps:lock)', () => {
    const { packages } = JSON.parse(readProjectFile('package-lock.json')) as {
      readonly packages: Readonly<Record<string, LockEntry>>;
    };
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });
});
