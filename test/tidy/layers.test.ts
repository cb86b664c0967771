import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builtinHomes, layers, layersWithoutBuiltins, packageHomes } from '../../layers.mjs';
import { checkLayers } from '../../tools/layers/cruise.mjs';
import { layerRules } from '../../tools/layers/rules.mjs';
import { projectPath } from '../helpers/project-files.js';

/**
 * The layers of `src/`, and the canary of the check itself: a tree, generated from the same table, in which each layer
 * imports every other layer, every package and every listed Node module. What the table forbids must be reported and
 * nothing else, so that a check that has gone blind fails here.
 */

const layerNames = Object.keys(layers);
const packages = Object.keys(packageHomes).map((name) => (name === '@fastify/*' ? '@fastify/swagger' : name));

describe('src/', () => {
  it('keeps to the table of layers, and the check sees every file', { timeout: 120_000 }, async () => {
    const { violations, moduleCount, fileCount } = await checkLayers(projectPath('.'));
    expect(violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`)).toEqual([]);
    expect(moduleCount).toBe(fileCount);
    expect(fileCount).toBeGreaterThan(0);
  });
});

describe('the check', () => {
  let project: string;
  let reported: ReadonlySet<string>;
  let rules: ReadonlySet<string>;

  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'millrace-layers-'));
    writeCanary(project);
    const { violations, moduleCount, fileCount } = await checkLayers(project);
    expect(moduleCount).toBe(fileCount);
    reported = new Set(violations.map(({ rule, from, to }) => `${rule}: ${from} -> ${shortTarget(to)}`));
    rules = new Set(violations.map(({ rule }) => rule));
  }, 120_000);

  afterAll(() => rmSync(project, { recursive: true, force: true }));

  it('reports an import between two layers exactly when the table forbids it', () => {
    for (const from of layerNames) {
      for (const to of layerNames) {
        const allowed = from === to || layers[from]?.mayImport.includes(to) === true;
        const line = `layer-${from}: src/${from}/imports.ts -> src/${to}/target.ts`;
        expect(reported.has(line), `${line} is ${allowed ? 'allowed' : 'forbidden'}`).toBe(!allowed);
      }
    }
  });

  it('opens a single door into a closed layer without opening the layer', () => {
    expect(reported).not.toContain('layer-main: src/main/imports.ts -> src/state/state-reader.ts');
    expect(reported).toContain('layer-main: src/main/imports.ts -> src/state/target.ts');
  });

  it('reports a package outside its home, and any package without one', () => {
    for (const layer of layerNames) {
      for (const [name, homes] of Object.entries(packageHomes)) {
        const target = name === '@fastify/*' ? '@fastify/swagger' : name;
        expect(reported.has(`home-of-${name}: src/${layer}/imports.ts -> ${target}`)).toBe(!homes.includes(layer));
      }
      expect(reported).toContain(`package-without-home: src/${layer}/imports.ts -> vitest`);
    }
  });

  it('reports a Node module outside its home, and any in a pure layer', () => {
    for (const layer of layerNames) {
      for (const [name, homes] of Object.entries(builtinHomes)) {
        expect(reported.has(`home-of-node-${name}: src/${layer}/imports.ts -> ${name}`)).toBe(!homes.includes(layer));
      }
      const pure = layersWithoutBuiltins.includes(layer);
      expect(reported.has(`builtin-in-pure-layer: src/${layer}/imports.ts -> os`)).toBe(pure);
    }
  });

  it('reports cycles, orphans, dead modules, unresolvable imports and files without a layer', () => {
    expect(reported).toContain('no-cycle: src/base/cycle-a.ts -> src/base/cycle-b.ts');
    expect(reported).toContain('no-orphan: src/base/orphan.ts -> src/base/orphan.ts');
    expect(reported).toContain('no-dead-module: src/base/cycle-a.ts -> src/base/cycle-a.ts');
    expect(reported).toContain('no-unresolvable: src/base/imports.ts -> ./nowhere.js');
    expect(reported).toContain('file-without-layer: src/helpers/anything.ts -> ');
    expect(reported).toContain('file-without-layer: src/beside.ts -> ');
  });

  it('has no rule that the canary does not break', () => {
    expect(
      layerRules()
        .map(({ name }) => name)
        .filter((name) => name === undefined || !rules.has(name)),
    ).toEqual([]);
  });
});

/** Writes a project in which `src/<layer>/imports.ts` imports everything there is, by type and by value. */
function writeCanary(dir: string): void {
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  };
  const outside = [...packages, 'vitest', ...Object.keys(builtinHomes).map((name) => `node:${name}`), 'node:os'];
  for (const layer of layerNames) {
    const inside = [...layerNames.map((name) => `../${name}/target.js`), '../state/state-reader.js'];
    write(`src/${layer}/target.ts`, 'export interface Target {}\n');
    write(
      `src/${layer}/imports.ts`,
      [
        ...inside.map((path, i) => `import type { Target as T${i} } from '${path}';`),
        ...outside.map((name, i) => `import * as m${i} from '${name}';`),
        ...(layer === 'base' ? [`import './nowhere.js';`] : []),
        `export const used = [${outside.map((_name, i) => `m${i}`).join(', ')}];`,
        '',
      ].join('\n'),
    );
  }
  write('src/state/state-reader.ts', 'export interface Target {}\n');
  write('src/main.ts', layerNames.map((name) => `import './${name}/imports.js';`).join('\n'));
  write('src/base/cycle-a.ts', `import { b } from './cycle-b.js';\nexport const a = (): number => b();\n`);
  write('src/base/cycle-b.ts', `import { a } from './cycle-a.js';\nexport const b = (): number => a();\n`);
  write('src/base/orphan.ts', 'export const alone = 1;\n');
  write('src/helpers/anything.ts', `import '../base/target.js';\n`);
  write('src/beside.ts', `import './base/target.js';\n`);
  write('package.json', JSON.stringify({ type: 'module' }));
  write('src/tsconfig.json', JSON.stringify({ compilerOptions: { module: 'NodeNext', moduleResolution: 'NodeNext' } }));
  symlinkSync(projectPath('node_modules'), join(dir, 'node_modules'));
}

/** A package's path shortened to its name, a Node module's name without its scheme; anything else as it is. */
function shortTarget(to: string): string {
  const match = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(to);
  return match?.[1] ?? to.replace(/^node:/, '');
}
