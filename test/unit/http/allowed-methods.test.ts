import { describe, expect, it } from 'vitest';

import { AllowedMethods } from '../../../src/http/allowed-methods.js';

describe('AllowedMethods', () => {
  const allowed = new AllowedMethods();
  allowed.add('POST', '/counters/:name');
  allowed.add('GET', '/counters/:name');
  allowed.add('PUT', '/counters/total');
  allowed.add('GET', '/docs/*');
  allowed.add('GET', '/a.b~c');

  it.each([
    ['/counters/x', 'POST, GET, HEAD, OPTIONS'],
    ['/counters/a%2Fb', 'POST, GET, HEAD, OPTIONS'],
    ['/counters/total', 'POST, GET, HEAD, PUT, OPTIONS'],
    ['/c%6funters/x', 'POST, GET, HEAD, OPTIONS'],
    ['/docs/a/b', 'GET, HEAD, OPTIONS'],
    ['/a.b~c', 'GET, HEAD, OPTIONS'],
    ['/aXb~c', ''],
    ['/counters', ''],
    ['/counters/', ''],
    ['/counters/a/b', ''],
    ['/', ''],
    ['/%zz', ''],
  ])('of %s are "%s"', (path, methods) => {
    expect(allowed.of(path)).toBe(methods);
  });
});
