import { builtinHomes, entryFiles, entryPoints, layers, layersWithoutBuiltins, packageHomes } from '../../layers.mjs';

/**
 * The table of layers as dependency-cruiser rules. Every rule's comment says what to do instead.
 *
 * @returns {import('dependency-cruiser').IForbiddenRuleType[]}
 */
export function layerRules() {
  return [
    ...Object.entries(layers).map(([layer, { mayImport }]) => layerRule(layer, mayImport)),
    ...Object.entries(packageHomes).map(([name, homes]) => homeRule(`home-of-${name}`, packagePattern(name), homes)),
    ...Object.entries(builtinHomes).map(([name, homes]) =>
      homeRule(`home-of-node-${name}`, builtinPattern(name), homes),
    ),
    packageWithoutHome(),
    builtinInPureLayer(),
    ...wholeTreeRules(),
  ];
}

/** Whether a file, as a path within `src/`, belongs to a layer or is one of the entry files. */
export function hasLayer(path) {
  return entryFiles.includes(path) || Object.keys(layers).some((layer) => path.startsWith(`${layer}/`));
}

function layerRule(layer, mayImport) {
  return {
    name: `layer-${layer}`,
    comment: `${layer}/ may import ${mayImport.length === 0 ? 'nothing' : mayImport.join(', ')}: put a shared contract in the lower layer`,
    severity: 'error',
    from: { path: sourcePattern(layer) },
    to: { path: '^src/', pathNot: [layer, ...mayImport].map(sourcePattern) },
  };
}

function homeRule(name, pattern, homes) {
  return {
    name,
    comment: `only ${homes.join(', ')} may import it: go through that folder`,
    severity: 'error',
    from: { path: '^src/', pathNot: homes.map(sourcePattern) },
    to: { path: pattern },
  };
}

function packageWithoutHome() {
  return {
    name: 'package-without-home',
    comment:
      'a dependency gets a home in layers.mjs and a page in docs/decisions first; development tools stay out of src/',
    severity: 'error',
    from: { path: '^src/' },
    to: { path: '(^|/)node_modules/', pathNot: Object.keys(packageHomes).map(packagePattern) },
  };
}

function builtinInPureLayer() {
  return {
    name: 'builtin-in-pure-layer',
    comment: 'time, chance and I/O come in as arguments here',
    severity: 'error',
    from: { path: layersWithoutBuiltins.map(sourcePattern) },
    to: { dependencyTypes: ['core'] },
  };
}

function wholeTreeRules() {
  const entries = entryPoints.map(sourcePattern);
  return [
    {
      name: 'no-cycle',
      comment: 'two modules that need each other are one module, or lack a third',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-orphan',
      comment: 'nothing imports it and it imports nothing',
      severity: 'error',
      from: { path: '^src/', pathNot: entries, orphan: true },
      to: {},
    },
    {
      name: 'no-dead-module',
      comment: `not reachable from ${entryPoints.join(', ')}: use it or delete it`,
      severity: 'error',
      from: { path: entries },
      to: { path: '^src/', pathNot: entries, reachable: false },
    },
    {
      name: 'no-unresolvable',
      comment: 'an import that cannot be resolved escapes every other rule',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ];
}

/** Matches a folder of `src/`, or one file of it. */
function sourcePattern(name) {
  return name.endsWith('.ts') ? `^src/${escape(name)}$` : `^src/${escape(name)}/`;
}

function packagePattern(name) {
  return name.endsWith('/*') ? `(^|/)node_modules/${escape(name.slice(0, -1))}` : `(^|/)node_modules/${escape(name)}/`;
}

function builtinPattern(name) {
  return `^(node:)?${escape(name)}(/|$)`;
}

function escape(text) {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
