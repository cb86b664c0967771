import { expect, it } from 'vitest';
import type { ObjectStore } from '../../src/checkpoint/object-store.js';

/** What both kinds of object store must do. Each test has a prefix of its own. */
export function describeObjectStore(open: () => ObjectStore): void {
  it('gives back what was put, whole, and null for what was not', async () => {
    const store = open();
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) & 0xff));
    await store.put('whole/one', bytes);
    expect(await store.get('whole/one')).toEqual(bytes);
    expect(await store.get('whole/other')).toBeNull();
    expect(await store.get('nowhere/at/all')).toBeNull();
  });

  it('replaces an object, and holds an empty one', async () => {
    const store = open();
    await store.put('replaced/one', Buffer.from('before'));
    await store.put('replaced/one', Buffer.from('after'));
    await store.put('replaced/empty', Buffer.alloc(0));
    expect((await store.get('replaced/one'))?.toString()).toBe('after');
    expect(await store.get('replaced/empty')).toEqual(Buffer.alloc(0));
  });

  it('keeps names apart that differ only in what must be escaped', async () => {
    const store = open();
    const keys = ['names/a%20b', 'names/a~b', "names/it's%2Fso", 'names/x.seg'];
    for (const key of keys) await store.put(key, Buffer.from(key));
    expect(await store.list('names/')).toEqual(keys.toSorted());
    for (const key of keys) expect((await store.get(key))?.toString()).toBe(key);
  });

  it('lists everything beneath a prefix, sorted, and nothing beside it', async () => {
    const store = open();
    await store.put('listed/b/2', Buffer.from('2'));
    await store.put('listed/a', Buffer.from('1'));
    await store.put('listed-not/a', Buffer.from('3'));
    expect(await store.list('listed/')).toEqual(['listed/a', 'listed/b/2']);
    expect(await store.list('listed/b/')).toEqual(['listed/b/2']);
    expect(await store.list('absent/')).toEqual([]);
  });

  it('deletes an object, and does not mind one that is not there', async () => {
    const store = open();
    await store.put('deleted/one', Buffer.from('1'));
    await store.delete('deleted/one');
    await store.delete('deleted/one');
    expect(await store.get('deleted/one')).toBeNull();
    expect(await store.list('deleted/')).toEqual([]);
  });

  it('keeps what it holds when it is asked to remove what is empty', async () => {
    const store = open();
    await store.put('kept/deep/one', Buffer.from('1'));
    await store.removeEmpty();
    expect(await store.list('kept/')).toEqual(['kept/deep/one']);
    await store.delete('kept/deep/one');
    await store.removeEmpty();
    await store.put('kept/deep/two', Buffer.from('2'));
    expect(await store.list('kept/')).toEqual(['kept/deep/two']);
  });
}
