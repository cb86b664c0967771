import { MillraceError } from '../../base/errors.js';
import type { WatermarkStrategy } from '../watermark-strategy.js';
import { KEY_GROUP_COUNT } from './key-groups.js';
import type { OperatorSpec, SourceSpec } from './operator-spec.js';
import type {
  ChainingStrategy,
  JobGraph,
  OnError,
  OperatorAttributes,
  OperatorTransformation,
  Partitioning,
  SourceTransformation,
  Transformation,
} from './transformation.js';

/** What topic names and file names allow, so that a uid can name a topic, a state store and a metric label as it is. */
const UID_PATTERN = /^[A-Za-z0-9._-]{1,100}$/;
/** One line, so that it can stand in logs, drawings and metric labels. */
const NAME_PATTERN = /^(?=.*\S)[^\p{Cc}\p{Zl}\p{Zp}]{1,200}$/u;
/** The state store that operators of default parallelism share has this name. */
const RESERVED_UID = 'main';
/** Keys are dealt out by key group, so that a subtask beyond their number could never have one: Flink's maximum parallelism. */
const MAX_PARALLELISM = KEY_GROUP_COUNT;

/** While the job is being built, a stream's methods may still change the attributes. */
interface MutableAttributes extends OperatorAttributes {
  uid: string | null;
  name: string | null;
  parallelism: number | null;
  chaining: ChainingStrategy;
}

type Running = SourceTransformation | OperatorTransformation;

/**
 * Collects what the streams of one job add, and refuses at once what cannot be right, so that the stack of the error
 * points to the author's line. Sealed when the author's function has returned.
 */
export class GraphBuilder {
  readonly #jobName: string;
  readonly #transformations: Transformation[] = [];
  readonly #attributes: (MutableAttributes | null)[] = [];
  readonly #uids = new Set<string>();
  readonly #routes = new Map<string, string>();
  #isSealed = false;

  constructor(jobName: string) {
    this.#jobName = jobName;
  }

  addSource(spec: SourceSpec, watermarks: WatermarkStrategy<unknown> | null): number {
    if (spec.kind === 'requests')
      for (const route of spec.routes) this.#claimRoute(route.method, route.path, route.route);
    const attributes = this.#newAttributes();
    return this.#add({ kind: 'source', id: this.#nextId(), spec, watermarks, attributes }, attributes);
  }

  addOperator(inputs: readonly number[], spec: OperatorSpec): number {
    const attributes = this.#newAttributes();
    return this.#add({ kind: 'operator', id: this.#nextId(), inputs, spec, attributes }, attributes);
  }

  addUnion(inputs: readonly number[]): number {
    return this.#add({ kind: 'union', id: this.#nextId(), inputs }, null);
  }

  addPartition(input: number, partitioning: Partitioning): number {
    return this.#add({ kind: 'partition', id: this.#nextId(), input, partitioning }, null);
  }

  addSideOutput(input: number, tagId: string): number {
    return this.#add({ kind: 'side-output', id: this.#nextId(), input, tagId }, null);
  }

  setUid(id: number, uid: string): void {
    const attributes = this.#attributesOf(id);
    if (typeof uid !== 'string' || !UID_PATTERN.test(uid)) {
      throw this.invalid(
        id,
        `has the uid ${quote(uid)}`,
        'A uid is 1 to 100 letters, digits, dots, dashes and underscores.',
      );
    }
    if (uid === RESERVED_UID) throw this.invalid(id, `has the uid "${uid}", which is reserved`, 'Choose another uid.');
    if (attributes.uid !== uid && this.#uids.has(uid)) {
      throw this.invalid(
        id,
        `has the uid "${uid}", which another operator has already`,
        'Give each operator a uid of its own.',
      );
    }
    if (attributes.uid !== null) this.#uids.delete(attributes.uid);
    this.#uids.add(uid);
    attributes.uid = uid;
  }

  setName(id: number, name: string): void {
    const attributes = this.#attributesOf(id);
    if (typeof name !== 'string' || !NAME_PATTERN.test(name)) {
      throw this.invalid(id, `has the name ${quote(name)}`, 'A name is 1 to 200 characters in one line.');
    }
    attributes.name = name;
  }

  /** `null` where it is the job's. */
  parallelismOf(id: number): number | null {
    return this.#attributes[id]?.parallelism ?? null;
  }

  setParallelism(id: number, parallelism: number): void {
    const attributes = this.#attributesOf(id);
    if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > MAX_PARALLELISM) {
      throw this.invalid(
        id,
        `has the parallelism ${String(parallelism)}`,
        `A parallelism is a whole number from 1 to ${String(MAX_PARALLELISM)}.`,
      );
    }
    attributes.parallelism = parallelism;
  }

  setChaining(id: number, chaining: ChainingStrategy): void {
    this.#attributesOf(id).chaining = chaining;
  }

  /** An error about one operator, which names job and operator. */
  invalid(id: number, what: string, hint: string): MillraceError {
    const operator = this.#describe(id);
    return new MillraceError('MILLRACE_JOB_INVALID', `${operator} of job "${this.#jobName}" ${what}`, {
      details: { job: this.#jobName, operator },
      hint,
    });
  }

  /**
   * Adds the place to an error about an argument, such as a window of no size: whoever threw it knew neither job nor
   * operator. An argument is evaluated after the stream that it is for, so that is the stream of the newest operator.
   */
  located(error: MillraceError): MillraceError {
    if (error.details?.['job'] !== undefined || this.#transformations.length === 0) return error;
    const operator = this.#describe(this.#transformations.length - 1);
    return new MillraceError(error.code, `${error.message}, behind ${operator} of job "${this.#jobName}"`, {
      details: { ...error.details, job: this.#jobName, operator },
      ...(error.hint === null ? {} : { hint: error.hint }),
      cause: error,
    });
  }

  /** Ends the building. */
  build(onError: OnError): JobGraph {
    this.#isSealed = true;
    if (this.#transformations.length === 0) {
      throw new MillraceError('MILLRACE_JOB_INVALID', `job "${this.#jobName}" has no source`, {
        details: { job: this.#jobName },
        hint: 'Begin with env.requests(...), env.fromSource(...) or env.fromCollection(...).',
      });
    }
    return { jobName: this.#jobName, onError, transformations: this.#transformations };
  }

  #add(transformation: Transformation, attributes: MutableAttributes | null): number {
    this.#requireOpen();
    this.#transformations.push(transformation);
    this.#attributes.push(attributes);
    return transformation.id;
  }

  #nextId(): number {
    return this.#transformations.length;
  }

  #newAttributes(): MutableAttributes {
    return { uid: null, name: null, parallelism: null, chaining: 'always' };
  }

  #attributesOf(id: number): MutableAttributes {
    this.#requireOpen();
    const attributes = this.#attributes[id] ?? null;
    if (attributes === null) throw this.invalid(id, 'is no operator', 'Set it on the operator before it.');
    return attributes;
  }

  #claimRoute(method: string, path: string, route: string): void {
    // Parameters match any segment, so two routes that differ only in their parameters' names are one.
    const shape = `${method} ${path.replace(/:[^/]+/g, ':')}`;
    const other = this.#routes.get(shape);
    if (other !== undefined) {
      const twin = other === route ? 'twice' : `twice, as "${other}" and as "${route}"`;
      throw new MillraceError('MILLRACE_JOB_INVALID', `job "${this.#jobName}" declares the route "${route}" ${twin}`, {
        details: { job: this.#jobName, route },
        hint: 'A route belongs to one source. Branch from the stream of that source.',
      });
    }
    this.#routes.set(shape, route);
  }

  #requireOpen(): void {
    if (!this.#isSealed) return;
    throw new MillraceError('MILLRACE_JOB_INVALID', `job "${this.#jobName}" is changed after it was built`, {
      details: { job: this.#jobName },
      hint: 'Use env and its streams only inside the function given to defineJob, and not after an await.',
    });
  }

  /** What only says how a stream is seen (a keyBy, a union) goes by the operator before it. */
  #describe(id: number): string {
    let transformation = this.#transformations[id];
    while (transformation !== undefined && !isRunning(transformation)) {
      transformation = this.#transformations[firstInput(transformation)];
    }
    return transformation === undefined ? `transformation ${String(id)}` : describeRunning(transformation);
  }
}

function isRunning(transformation: Transformation): transformation is Running {
  return transformation.kind === 'source' || transformation.kind === 'operator';
}

function firstInput(transformation: Exclude<Transformation, Running>): number {
  return transformation.kind === 'union' ? (transformation.inputs[0] ?? -1) : transformation.input;
}

function describeRunning(transformation: Running): string {
  const { uid, name } = transformation.attributes;
  const label = name ?? uid;
  return label === null
    ? `${transformation.spec.kind} ${String(transformation.id)}`
    : `${transformation.spec.kind} "${label}"`;
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
