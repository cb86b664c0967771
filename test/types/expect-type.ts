/** True when two types are the same, `any` and optional fields included. */
type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/**
 * `sameType<A, B>(true)` compiles when A and B are the same type, `sameType<A, B>(false)` when they are not.
 */
export declare function sameType<A, B>(is: IsSame<A, B>): void;

/** The type of a stream's records. */
export type RecordOf<Stream> = Stream extends { map(fn: (value: infer T) => unknown): unknown } ? T : never;
