/**
 * Brings a job's JSON Schema into the OpenAPI document. A schema that refers to itself or to its definitions becomes a
 * component, because a reference in the document starts from the document's root and not from the schema's.
 */

/** A schema as the document holds it. */
export interface PlacedSchema {
  readonly schema: object;
  /** The component that `schema` refers to, if it does. */
  readonly component: object | null;
}

type Json = Readonly<Record<string, unknown>>;

/** Keywords whose values are data, not schemas. */
const DATA_KEYWORDS: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples', 'example']);

/** @param name of the component, should one be needed: unique in the document. */
export function placeSchema(source: object, name: string): PlacedSchema {
  // As plain JSON: schema builders hang symbols and hidden fields on their objects.
  const plain = JSON.parse(JSON.stringify(source)) as Json;
  if (!refersAnywhere(plain)) return { schema: rewrite(plain, identity) as object, component: null };
  const root = `#/components/schemas/${name}`;
  const byId = definitionsById(plain, root);
  const relocate = (reference: string): string =>
    reference.startsWith('#') ? root + reference.slice(1) : (byId.get(reference) ?? reference);
  return { schema: { $ref: root }, component: rewrite(plain, relocate) as object };
}

const identity = (reference: string): string => reference;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refersAnywhere(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(refersAnywhere);
  if (!isObject(value)) return false;
  if (typeof value.$ref === 'string') return true;
  return Object.entries(value).some(([keyword, child]) => !DATA_KEYWORDS.has(keyword) && refersAnywhere(child));
}

/** Where the definitions lie that are referred to by an id of their own: TypeBox names the parts of a recursive type so. */
function definitionsById(schema: Json, root: string): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  if (typeof schema.$id === 'string') places.set(schema.$id, root);
  for (const keyword of ['$defs', 'definitions']) {
    const definitions = schema[keyword];
    if (!isObject(definitions)) continue;
    for (const [name, definition] of Object.entries(definitions)) {
      const place = `${root}/${keyword}/${name}`;
      places.set(name, place);
      if (isObject(definition) && typeof definition.$id === 'string') places.set(definition.$id, place);
    }
  }
  return places;
}

/** Relocates references, drops ids, and writes draft-7 tuples as OpenAPI 3.1 wants them. */
function rewrite(value: unknown, relocate: (reference: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, relocate));
  if (!isObject(value)) return value;
  const isTuple = Array.isArray(value.items);
  const entries = Object.entries(value).flatMap(([keyword, child]): [string, unknown][] => {
    if (DATA_KEYWORDS.has(keyword)) return [[keyword, child]];
    if (keyword === '$ref' && typeof child === 'string') return [[keyword, relocate(child)]];
    if ((keyword === '$id' || keyword === '$schema') && typeof child === 'string') return [];
    const rewritten = rewrite(child, relocate);
    if (isTuple && keyword === 'items') return [['prefixItems', rewritten]];
    return isTuple && keyword === 'additionalItems' ? [['items', rewritten]] : [[keyword, rewritten]];
  });
  return Object.fromEntries(entries);
}
