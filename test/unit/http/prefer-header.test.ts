import { describe, expect, it } from 'vitest';

import { parsePrefer } from '../../../src/http/prefer-header.js';

const NONE = { respondAsync: false, waitMs: 0 };

describe('parsePrefer', () => {
  it.each([
    [undefined, NONE],
    ['', NONE],
    ['respond-async', { respondAsync: true, waitMs: 0 }],
    ['Respond-Async', { respondAsync: true, waitMs: 0 }],
    ['respond-async, wait=10', { respondAsync: true, waitMs: 10_000 }],
    ['wait=10, respond-async', { respondAsync: true, waitMs: 10_000 }],
    ['respond-async; foo=bar, wait="3"; x', { respondAsync: true, waitMs: 3_000 }],
    ['return=minimal,respond-async,wait=1,wait=9', { respondAsync: true, waitMs: 1_000 }],
    ['respond-async, wait=soon', { respondAsync: true, waitMs: 0 }],
    ['respond-async, wait=-1', { respondAsync: true, waitMs: 0 }],
    ['respond-async, wait=99999999999', { respondAsync: true, waitMs: 0 }],
    ['wait=10', NONE],
    ['respond-asynchronously', NONE],
    ['return=respond-async', NONE],
    [',;=,', NONE],
  ])('reads %j', (header, preferences) => {
    expect(parsePrefer(header)).toEqual(preferences);
  });
});
