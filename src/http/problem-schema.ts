/** RFC 9457 problem details, as the OpenAPI document describes them. */
export const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details',
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri' },
    code: { type: 'string' },
    result: { type: 'string', format: 'uri-reference', description: 'Where the answer can be fetched later' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', format: 'json-pointer' },
          message: { type: 'string' },
          offset: { type: 'integer' },
          line: { type: 'integer' },
          column: { type: 'integer' },
        },
        required: ['pointer', 'message'],
      },
    },
  },
  required: ['type', 'title', 'status', 'code'],
};

/** An answer that is a problem. */
export function problemAnswer(description: string): object {
  return { description, content: { 'application/problem+json': { schema: problemSchema } } };
}
