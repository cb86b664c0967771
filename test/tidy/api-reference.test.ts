import * as ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectPath, readProjectFile } from '../helpers/project-files.js';

/**
 * What an author imports is documented: every exported name, and every member of an exported class or interface, its own or
 * inherited. Links in what is said about them lead somewhere. `npm run docs:api` makes pages of it.
 */

const entries = ['src/index.ts', 'src/cep/index.ts', 'src/testing/index.ts'];

/** A name of the package, or a member of one. */
interface Documented {
  readonly name: string;
  readonly symbol: ts.Symbol;
}

let checker: ts.TypeChecker;
const names: Documented[] = [];
const members: Documented[] = [];

beforeAll(() => {
  const config = ts.readConfigFile(projectPath('src/tsconfig.json'), (path) => ts.sys.readFile(path)).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, projectPath('src'));
  const program = ts.createProgram(entries.map(projectPath), { ...options, noEmit: true });
  checker = program.getTypeChecker();
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(projectPath(entry)) as ts.SourceFile);
    for (const exported of checker.getExportsOfModule(module as ts.Symbol)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      names.push({ name: exported.name, symbol });
      for (const member of membersOf(symbol)) {
        members.push({ name: `${exported.name}.${member.name}`, symbol: member });
      }
    }
  }
}, 60_000);

/** Those that an author may use: not private or protected ones, nor what is marked as internal. */
function membersOf(symbol: ts.Symbol): readonly ts.Symbol[] {
  if ((symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) === 0) return [];
  const ofInstances = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol));
  const ofClass = [...(symbol.exports?.values() ?? [])].filter(({ name }) => name !== 'prototype');
  return [...ofInstances, ...ofClass].filter((member) => {
    const declarations = member.declarations ?? [];
    const isOurs = declarations.some(({ parent }) => parent.getSourceFile().fileName.startsWith(projectPath('src/')));
    // What has a symbol for its name nobody can call.
    return (
      isOurs && !member.name.startsWith('__@') && !declarations.some(isHidden) && !tagsOf(member).includes('internal')
    );
  });
}

function isHidden(declaration: ts.Declaration): boolean {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  if ((ts.getCombinedModifierFlags(declaration) & hidden) !== 0) return true;
  const name = ts.getNameOfDeclaration(declaration);
  return name !== undefined && ts.isPrivateIdentifier(name);
}

function tagsOf(symbol: ts.Symbol): string[] {
  return symbol.getJsDocTags(checker).map(({ name }) => name);
}

function hasText(symbol: ts.Symbol): boolean {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== '';
}

/** Every `{@link …}` in the comments of a declaration and of what is inside it. */
function linksIn(declaration: ts.Node): (ts.EntityName | ts.JSDocMemberName | null)[] {
  const links: (ts.EntityName | ts.JSDocMemberName | null)[] = [];
  const collect = (node: ts.Node): void => {
    if (ts.isJSDocLink(node)) links.push(node.name ?? null);
    ts.forEachChild(node, collect);
  };
  const visit = (node: ts.Node): void => {
    for (const comment of ts.getJSDocCommentsAndTags(node)) collect(comment);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return links;
}

/** The name is in scope, or is one of the package: that is where typedoc looks. */
function resolves(name: ts.EntityName | ts.JSDocMemberName | null): boolean {
  if (name === null) return false;
  if (checker.getSymbolAtLocation(name) !== undefined) return true;
  const text = name.getText();
  return [...names, ...members].some((known) => known.name === text);
}

describe('the names that the package exports', () => {
  it('are found, so that the test cannot pass by finding none', () => {
    expect(names.length).toBeGreaterThan(200);
    expect(members.length).toBeGreaterThan(400);
    for (const name of ['KeyedStream.window', 'CountTrigger.of', 'TumblingEventTimeWindows.fixedSizeMs']) {
      expect(members.map((member) => member.name)).toContain(name);
    }
  });

  it('are all explained', () => {
    expect(names.filter(({ symbol }) => !hasText(symbol)).map(({ name }) => name)).toEqual([]);
  });

  it('say once that they are for the public', () => {
    const stages = new Set(['public', 'experimental', 'internal']);
    const staged = (symbol: ts.Symbol): number => new Set(tagsOf(symbol).filter((tag) => stages.has(tag))).size;
    expect(names.filter(({ symbol }) => staged(symbol) !== 1).map(({ name }) => name)).toEqual([]);
  });

  it('have members that are all explained, by themselves or where they come from', () => {
    expect(members.filter(({ symbol }) => !hasText(symbol)).map(({ name }) => name)).toEqual([]);
  });

  it('are explained with links that lead somewhere', () => {
    const declarations = names.flatMap(({ name, symbol }) =>
      (symbol.declarations ?? []).map((node) => ({ name, node })),
    );
    const links = declarations.flatMap(({ name, node }) => linksIn(node).map((link) => ({ name, link })));
    expect(links.length).toBeGreaterThan(30);
    const broken = links.filter(({ link }) => !resolves(link));
    expect(broken.map(({ name, link }) => `${name}: ${link?.getText() ?? 'a link without a name'}`)).toEqual([]);
  });
});

describe('typedoc', () => {
  it('is given the entries of the package, and takes no warning', () => {
    const config = JSON.parse(readProjectFile('typedoc.json')) as Record<string, unknown>;
    const exported = JSON.parse(readProjectFile('package.json')) as { exports: Record<string, string | object> };
    expect(config['entryPoints']).toEqual(entries);
    expect(Object.keys(exported.exports).filter((path) => !path.endsWith('.json'))).toHaveLength(entries.length);
    expect(config).toMatchObject({ treatWarningsAsErrors: true, treatValidationWarningsAsErrors: true });
  });
});
