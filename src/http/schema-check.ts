import type { Ajv as AjvClass, ErrorObject, Options, ValidateFunction } from 'ajv';

import { MillraceError } from '../base/errors.js';
import { escapePointer } from './json-body.js';
import type { FieldFault } from './problem.js';

/**
 * JSON Schema checks, compiled once per route.
 *
 * A body is checked strictly: no value is converted, filled in or dropped, because the job gets the bytes as they came. A query
 * is text, so it is checked as if `"5"` were a number where the schema wants one; the job still gets the text.
 *
 * Only the first fault is reported: to collect them all would let a body of a million wrong elements make a million errors.
 */

/** @returns the faults, or `null` when the value fits. */
export type SchemaCheck = (value: unknown) => readonly FieldFault[] | null;

/** A union reports one fault per alternative. */
const FAULTS_MAX = 10;
const DRAFT_2020 = /draft\/2020-12\/schema/;

/** Compiles checks. The validator is loaded when the first schema comes: a job without schemas pays nothing at start. */
export class SchemaCompiler {
  /** By draft: what says whether a schema is one. To make it takes longer than to compile a usual schema. */
  readonly #drafts = new Map<typeof AjvClass, AjvClass>();

  /** @throws MillraceError `MILLRACE_JOB_INVALID` when the schema is not valid, naming `where`. */
  async compileBody(schema: object, where: string): Promise<SchemaCheck> {
    const validate = await this.#compile(schema, where, {});
    return (value) => (validate(value) ? null : faultsOf(validate));
  }

  /** @throws MillraceError `MILLRACE_JOB_INVALID` when the schema is not valid, naming `where`. */
  async compileQuery(schema: object, where: string): Promise<SchemaCheck> {
    const validate = await this.#compile(schema, where, { coerceTypes: 'array' });
    // Coercion writes into what it checks.
    return (value) => (validate({ ...(value as object) }) ? null : faultsOf(validate));
  }

  async #compile(schema: object, where: string, options: Options): Promise<ValidateFunction> {
    const Ajv = await loadAjv(schema);
    const { default: addFormats } = await import('ajv-formats');
    try {
      await this.#draft(Ajv).validateSchema(schema, true);
      // One instance per schema: recursive schemas name their parts, and two routes may use one name.
      const ajv = new Ajv({ strict: false, logger: false, messages: true, validateSchema: false, ...options });
      addFormats.default(ajv);
      return ajv.compile(schema);
    } catch (error) {
      throw new MillraceError('MILLRACE_JOB_INVALID', `compiling the JSON Schema of ${where}`, {
        cause: error,
        hint: error instanceof Error ? error.message : 'The schema is not valid.',
      });
    }
  }

  #draft(Ajv: typeof AjvClass): AjvClass {
    const known = this.#drafts.get(Ajv) ?? new Ajv({ strict: false, logger: false });
    this.#drafts.set(Ajv, known);
    return known;
  }
}

/** A schema that names draft 2020-12 gets it. Others get draft 7, which TypeBox's own types need for tuples. */
async function loadAjv(schema: object): Promise<typeof AjvClass> {
  if ('$schema' in schema && typeof schema.$schema === 'string' && DRAFT_2020.test(schema.$schema)) {
    return (await import('ajv/dist/2020.js')).Ajv2020;
  }
  return (await import('ajv')).Ajv;
}

function faultsOf(validate: ValidateFunction): readonly FieldFault[] {
  return (validate.errors ?? []).slice(0, FAULTS_MAX).map(faultOf);
}

/** A missing or a superfluous property is pointed at itself, not at the object around it. */
function faultOf(error: ErrorObject): FieldFault {
  const params = error.params as Readonly<Record<string, unknown>>;
  const property = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty;
  const pointer =
    typeof property === 'string' ? `${error.instancePath}/${escapePointer(property)}` : error.instancePath;
  return { pointer, message: messageOf(error) };
}

function messageOf(error: ErrorObject): string {
  const message = error.message ?? 'does not fit the schema';
  if (error.keyword !== 'enum') return message;
  const allowed = (error.params as { readonly allowedValues?: unknown }).allowedValues;
  return `${message}: ${JSON.stringify(allowed)}`;
}
