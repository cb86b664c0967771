import { describe, expect, it } from 'vitest';
import { Entry } from '../../../src/state/entry.js';
import { entriesOf, EntryList } from '../../../src/state/entry-list.js';

const entries = Array.from({ length: 5_000 }, (_, key) => new Entry(key, 0));

function takeAll(list: { take: () => Entry | null }): unknown[] {
  const keys: unknown[] = [];
  for (let entry = list.take(); entry !== null; entry = list.take()) keys.push(entry.key);
  return keys;
}

describe('a list of entries', () => {
  it('gives each once, in the order of their coming, and then serves again', () => {
    const list = new EntryList();
    for (const count of [3, 5_000, 2]) {
      for (const entry of entries.slice(0, count)) list.add(entry);
      expect(list.length).toBe(count);
      expect(takeAll(list)).toEqual(Array.from({ length: count }, (_, key) => key));
      expect([list.length, list.take()]).toEqual([0, null]);
      list.reuse();
    }
  });

  it('drops what is not wanted and keeps the order of the rest', () => {
    const list = new EntryList();
    for (const entry of entries.slice(0, 10)) list.add(entry);
    list.keep(({ key }) => (key as number) % 3 === 0);
    list.add(entries[100] as Entry);
    expect(list.length).toBe(5);
    expect(takeAll(list)).toEqual([0, 3, 6, 9, 100]);
  });

  it('is worth keeping unless few of its many places were needed this time', () => {
    const list = new EntryList();
    for (const entry of entries) list.add(entry);
    expect(list.isWorthKeeping).toBe(true);
    takeAll(list);
    list.reuse();
    list.add(entries[0] as Entry);
    expect(list.isWorthKeeping).toBe(false);
  });

  it('may be what an iterator gives', () => {
    expect(takeAll(entriesOf(entries.values()))).toEqual(entries.map(({ key }) => key));
  });
});
