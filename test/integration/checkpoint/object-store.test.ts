import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DirectoryObjectStore } from '../../../src/checkpoint/directory-object-store.js';
import { openObjectStore } from '../../../src/checkpoint/open-object-store.js';
import { S3ObjectStore } from '../../../src/checkpoint/s3-object-store.js';
import { describeObjectStore } from '../../helpers/object-store-contract.js';
import { findS3Server, S3_BUCKET, S3Server } from '../../helpers/s3-server.js';

describe('a folder as object store', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-objects-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  describeObjectStore(() => new DirectoryObjectStore(join(folder, 'objects')));
});

const binary = findS3Server();

describe.skipIf(binary === null)('an S3 server as object store', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await S3Server.start(binary ?? '');
  });
  afterAll(() => server.stop());

  const open = (prefix: string): S3ObjectStore => S3ObjectStore.open(`s3://${S3_BUCKET}/${prefix}`, server.environment);

  describeObjectStore(() => open('contract'));

  it('lists more objects than the server gives at once', async () => {
    const store = open('many');
    const keys = Array.from({ length: 1_050 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.from('x'))));
    }
    expect(await store.list('many/')).toEqual(keys);
  });

  it('keeps two prefixes of a bucket apart', async () => {
    await open('left').put('same', Buffer.from('left'));
    await open('right/deeper').put('same', Buffer.from('right'));
    expect((await open('left').get('same'))?.toString()).toBe('left');
    expect(await open('right/deeper').list('')).toEqual(['same']);
  });

  it('says what the storage refused, and no secret with it', async () => {
    const wrong = { ...server.environment, AWS_SECRET_ACCESS_KEY: 'quite-wrong-secret' };
    const refused = await refusalOf(S3ObjectStore.open(`s3://${S3_BUCKET}/x`, wrong).put('a', Buffer.from('1')));
    expect(refused).toMatchObject({ code: 'MILLRACE_CHECKPOINT_STORE_FAILED' });
    expect(refused.message).toContain('SignatureDoesNotMatch');
    expect(JSON.stringify(refused) + refused.message).not.toContain('quite-wrong-secret');

    const noBucket = await refusalOf(S3ObjectStore.open('s3://no-such-bucket/x', server.environment).get('a'));
    expect(noBucket.message).toContain('NoSuchBucket');
  });

  it('says that nobody listens at the endpoint', async () => {
    const nobody = { ...server.environment, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' };
    const refused = await refusalOf(S3ObjectStore.open(`s3://${S3_BUCKET}/x`, nobody).get('a'));
    expect(refused.message).toMatch(/ECONNREFUSED|fetch failed/);
  });
});

describe('the setting checkpointStore', () => {
  it.each([
    ['ftp://host/folder', {}, 'unknown kind'],
    ['s3://No_Bucket', {}, 'names no bucket'],
    ['s3://bucket/prefix', {}, 'AWS_ACCESS_KEY_ID'],
    ['s3://bucket/prefix', { AWS_ACCESS_KEY_ID: 'a' }, 'AWS_SECRET_ACCESS_KEY'],
    [
      's3://bucket',
      { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_ENDPOINT_URL: 'host:9000' },
      'AWS_ENDPOINT_URL_S3',
    ],
  ])('refuses %s with %o', async (location, environment, text) => {
    const refused = await refusalOf(openObjectStore(location, environment));
    expect(refused).toMatchObject({ code: 'MILLRACE_CONFIG_INVALID' });
    expect(refused.message).toContain(text);
  });

  it('takes a path and a file URL for a folder', async () => {
    expect((await openObjectStore('/srv/checkpoints', {})).location).toBe('/srv/checkpoints');
    expect((await openObjectStore('file:///srv/checkpoints', {})).location).toBe('/srv/checkpoints');
  });
});

async function refusalOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was refused');
}
