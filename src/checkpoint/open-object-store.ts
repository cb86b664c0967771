import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../base/errors.js';
import { DirectoryObjectStore } from './directory-object-store.js';
import type { Environment, ObjectStore } from './object-store.js';

/**
 * Opens what the setting `checkpointStore` names: `s3://bucket/prefix`, `file:///folder`, or the path of a folder.
 *
 * @throws ConfigError for another form, or when S3 credentials are missing in the environment
 */
export async function openObjectStore(location: string, environment: Environment): Promise<ObjectStore> {
  if (location.startsWith('s3://')) {
    // Loaded only where it is used: start-up does not pay for it.
    const { S3ObjectStore } = await import('./s3-object-store.js');
    return S3ObjectStore.open(location, environment);
  }
  if (location.startsWith('file://')) return new DirectoryObjectStore(fileURLToPath(location));
  if (/^[a-z][a-z0-9+.-]+:\/\//.test(location)) {
    throw new ConfigError(`the checkpoint store "${location}" is of an unknown kind`, {
      hint: 'Write s3://bucket/prefix, file:///folder, or the path of a folder.',
    });
  }
  return new DirectoryObjectStore(resolve(location));
}
