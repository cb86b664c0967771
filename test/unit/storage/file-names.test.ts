import { describe, expect, it } from 'vitest';
import { fileNameOf } from '../../../src/storage/file-names.js';

describe('file names', () => {
  it('keep ordinary uids as they are', () => {
    expect(fileNameOf('main')).toBe('main');
    expect(fileNameOf('counters-0')).toBe('counters-0');
  });

  it('are one path component each, whatever the text, and differ where texts do', () => {
    const texts = [
      '..',
      '.',
      '.hidden',
      'a/b',
      'a\\b',
      'a*b',
      'a b',
      'ä',
      '\u0000',
      '\ud800',
      '\ud801',
      '\ufffd',
      '%2F',
      'A~~b',
    ];
    const long = ['x'.repeat(300), `${'x'.repeat(300)}y`, 'ü'.repeat(100)];
    const names = [...texts, ...long].map(fileNameOf);
    for (const name of names) {
      expect(name).toMatch(/^[A-Za-z0-9_%~!'()-][A-Za-z0-9._%~!'()-]*$/);
      expect(name.length).toBeLessThan(140);
    }
    expect(new Set(names).size).toBe(names.length);
  });
});
