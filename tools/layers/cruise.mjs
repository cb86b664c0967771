import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { hasLayer, layerRules } from './rules.mjs';

/**
 * Checks the `src/` folder of a project against the table of layers.
 *
 * A check that sees no module also finds nothing: a TypeScript newer than the tool can parse makes it report zero modules
 * and success. So the result says how many modules were seen beside how many files there are, and the caller compares.
 *
 * @param {string} projectDir a folder that holds `src/` and `tsconfig.json`.
 * @returns {Promise<{ violations: { rule: string, from: string, to: string, comment: string }[], moduleCount: number, fileCount: number }>}
 */
export async function checkLayers(projectDir) {
  const files = sourceFiles(projectDir);
  const { output } = await cruise(
    ['src'],
    {
      baseDir: projectDir,
      validate: true,
      ruleSet: { forbidden: layerRules() },
      tsPreCompilationDeps: true,
      doNotFollow: { path: 'node_modules' },
      combinedDependencies: false,
      preserveSymlinks: true,
    },
    {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
    { tsConfig: extractTSConfig(join(projectDir, 'src', 'tsconfig.json')) },
  );
  const comments = new Map(layerRules().map((rule) => [rule.name, rule.comment]));
  return {
    violations: [
      ...output.summary.violations.map(({ rule, from, to }) => ({
        rule: rule.name,
        from,
        to,
        comment: comments.get(rule.name) ?? '',
      })),
      ...files.filter((file) => !hasLayer(file)).map(withoutLayer),
    ],
    moduleCount: output.modules.filter(({ source }) => source.startsWith('src/')).length,
    fileCount: files.length,
  };
}

function withoutLayer(file) {
  return {
    rule: 'file-without-layer',
    from: `src/${file}`,
    to: '',
    comment: 'add the folder to layers.mjs, or find its home',
  };
}

/** Paths within `src/`, with `/` on every platform. */
function sourceFiles(projectDir) {
  return readdirSync(join(projectDir, 'src'), { recursive: true })
    .map((path) => String(path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'));
}
