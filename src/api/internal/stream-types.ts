/**
 * The type of stream that an operator's output is, for files that `data-stream.ts` imports.
 *
 * Streams make windowed, connected and joined streams, and those make streams again: the types form a circle, the imports
 * must not. So `data-stream.ts` enters its class here by augmentation, and the others name it as {@link SingleOutput}.
 */
export interface StreamTypes<O> {
  /** Only a type: keeps the parameter in use where nothing is entered. */
  readonly element?: O;
}

/** The output of an operator: `SingleOutputStreamOperator<O>`. */
export type SingleOutput<O> = StreamTypes<O> extends { readonly single: infer Stream } ? Stream : never;

/** Makes the stream that begins at a transformation. */
export type StreamAt = <O>(id: number) => SingleOutput<O>;
