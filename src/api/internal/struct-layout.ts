/**
 * What a field of a struct holds: `int32` a whole number of 32 bits, `float64` any number, `text` a string, `bytes` a
 * Uint8Array, `json` whatever JSON can say.
 *
 * @public
 */
export type StructFieldKind = 'boolean' | 'int32' | 'float64' | 'text' | 'bytes' | 'json';

/** A field, and where its slot lies. */
export interface StructField {
  readonly index: number;
  readonly name: string;
  readonly kind: StructFieldKind;
  readonly isOptional: boolean;
  /** Of an optional field: the byte that says whether it is there. Of the others as {@link valueAt}. */
  readonly at: number;
  readonly valueAt: number;
  /** Of a field of varying length: where the end of the one before it stands; -1 for the first. */
  readonly previousAt: number;
}

/** Fields, checksum. */
export const STRUCT_HEADER_BYTES = 4;

const SLOT_BYTES: Readonly<Record<StructFieldKind, number>> = {
  boolean: 1,
  int32: 4,
  float64: 8,
  // Where the field's bytes end, from the beginning of all such bytes.
  text: 4,
  bytes: 4,
  json: 4,
};

/**
 * Where the parts of a struct's bytes lie:
 *
 * ```text
 * field count u8 │ 0 u8 │ check u16 │ slot of each field │ bytes of the fields of varying length       (little-endian)
 * slot    (present u8, of an optional field) │ boolean u8, int32 i32, float64 f64; else where the field's bytes end u32
 * ```
 *
 * The check is made of the names and kinds of as many fields as were written, so that fields that were added later do not change
 * what is read of those before.
 */
export class StructLayout {
  readonly name: string;
  readonly fields: readonly StructField[];
  /** By number of fields: their check, and where their slots end. */
  readonly checks: readonly number[];
  readonly slotsEnds: readonly number[];

  constructor(name: string, declared: readonly Pick<StructField, 'name' | 'kind' | 'isOptional'>[]) {
    const fields: StructField[] = [];
    const checks = [0];
    const slotsEnds = [STRUCT_HEADER_BYTES];
    let at = STRUCT_HEADER_BYTES;
    let previousAt = -1;
    let check = 0x811c9dc5;
    for (const [index, field] of declared.entries()) {
      const valueAt = at + (field.isOptional ? 1 : 0);
      fields.push({ ...field, index, at, valueAt, previousAt });
      if (isVarying(field.kind)) previousAt = valueAt;
      at = valueAt + SLOT_BYTES[field.kind];
      check = hash(check, `${field.name}\u0000${field.kind}${field.isOptional ? '?' : ''}\u0000`);
      checks.push((check ^ (check >>> 16)) & 0xffff);
      slotsEnds.push(at);
    }
    this.name = name;
    this.fields = fields;
    this.checks = checks;
    this.slotsEnds = slotsEnds;
  }
}

export function isVarying(kind: StructFieldKind): boolean {
  return kind === 'text' || kind === 'bytes' || kind === 'json';
}

/** FNV-1a, 32 bits, over UTF-16 units. */
function hash(before: number, text: string): number {
  let value = before;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
