import {
  anything,
  type Described,
  dictionary,
  either,
  integer,
  list,
  nullable,
  object,
  oneOf,
  text,
} from '../json-schemas.js';

/** What `/topics` and the routes below answer. */

export type Topic = Described<typeof topicSchema>;
export const topicSchema = object({
  name: text,
  role: oneOf('requests', 'responses', 'source', 'sink', 'other'),
  sizeBytes: integer,
  retentionMs: nullable(integer),
  retentionBytes: nullable(integer),
  recordCount: integer,
  lag: nullable(integer),
  partitions: list(
    object({
      partition: integer,
      beginOffset: integer,
      endOffset: integer,
      position: nullable(integer),
      lag: nullable(integer),
    }),
  ),
});

/** Bytes of a record, in a form that people can read. */
export type DecodedBytes = Described<typeof bytesSchema>;
const bytesSchema = either(
  object({ encoding: oneOf('none') }),
  object({ encoding: oneOf('json'), json: anything }),
  object({ encoding: oneOf('text'), text }),
  object({ encoding: oneOf('base64'), base64: text }),
);

export type TopicRecord = Described<typeof recordSchema>;
const recordSchema = object({
  partition: integer,
  offset: integer,
  timestamp: integer,
  key: bytesSchema,
  value: bytesSchema,
  valueBytes: integer,
  headers: dictionary(text),
});

export type TopicRecords = Described<typeof recordsSchema>;
export const recordsSchema = object({ beginOffset: integer, endOffset: integer, records: list(recordSchema) });
