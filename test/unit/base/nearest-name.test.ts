import { describe, expect, it } from 'vitest';
import { editDistance, nearestName } from '../../../src/base/nearest-name.js';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['port', 'port', 0],
    ['', 'port', 4],
    ['port', 'ports', 1],
    ['port', 'part', 1],
    ['prot', 'port', 1],
    ['kitten', 'sitting', 3],
  ])('counts %s to %s as %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});

describe('nearestName', () => {
  const names = ['--port', '--host', '--parallelism', '--data-dir'];

  it.each([
    ['--prot', '--port'],
    ['--paralelism', '--parallelism'],
    ['--datadir', '--data-dir'],
    ['--Port', '--port'],
  ])('takes %s for %s', (mistyped, meant) => {
    expect(nearestName(mistyped, names)).toBe(meant);
  });

  it('makes no guess when nothing is near', () => {
    expect(nearestName('--verbose', names)).toBeNull();
    expect(nearestName('--x', names)).toBeNull();
  });
});
