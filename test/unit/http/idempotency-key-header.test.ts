import { describe, expect, it } from 'vitest';
import { parseIdempotencyKey } from '../../../src/http/idempotency-key-header.js';

describe('the header Idempotency-Key', () => {
  it.each([
    ['"8e03978e-40d5-43dd-bc93-6894a57f9324"', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
    ['  "a b, c"  ', 'a b, c'],
    ['"say \\"hi\\" \\\\"', 'say "hi" \\'],
    ['x'.repeat(255), 'x'.repeat(255)],
  ])('%j names the key %j', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  it.each(['', '""', '"open', 'a b', 'a, b', '"a"; p=1', '"a", "b"', 'ümlaut', '"tab\t"', '"\\x"', 'x'.repeat(256)])(
    '%j is none',
    (header) => {
      expect(parseIdempotencyKey(header)).toBeNull();
    },
  );

  it('is none when it comes twice', () => {
    expect(parseIdempotencyKey(['a', 'b'])).toBeNull();
  });
});
