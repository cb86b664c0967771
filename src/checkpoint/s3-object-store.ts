/**
 * Objects in S3-compatible object storage. aws4fetch signs requests; what is sent is a handful of S3's REST calls.
 *
 * Credentials come from the environment alone, under the names that AWS's own tools use, and are never logged:
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; `AWS_REGION` or `AWS_DEFAULT_REGION`; and for storage
 * that is not AWS's own `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, which addresses buckets by path.
 *
 * Loaded only by {@link openObjectStore}. Any thread.
 */
import { AwsClient } from 'aws4fetch';
import { ConfigError, MillraceError } from '../base/errors.js';
import type { Environment, ObjectStore } from './object-store.js';

/** Answers 429 and 5xx are tried again so often, with growing pauses; whoever uploads tries again later anyway. */
const RETRIES = 3;
const RETRY_PAUSE_MS = 100;
const REQUEST_TIMEOUT_MS = 60_000;

export class S3ObjectStore implements ObjectStore {
  readonly location: string;
  readonly #client: AwsClient;
  /** URL of the bucket, without a slash at its end. */
  readonly #bucketUrl: string;
  /** Empty, or ends in a slash. */
  readonly #prefix: string;

  private constructor(location: string, client: AwsClient, bucketUrl: string, prefix: string) {
    this.location = location;
    this.#client = client;
    this.#bucketUrl = bucketUrl;
    this.#prefix = prefix;
  }

  /**
   * @param location `s3://bucket/prefix`
   * @throws ConfigError when the location names no bucket, or credentials are missing
   */
  static open(location: string, environment: Environment): S3ObjectStore {
    const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(location);
    const bucket = match?.[1];
    if (bucket === undefined) {
      throw new ConfigError(`the checkpoint store "${location}" names no bucket`, {
        hint: 'Write s3://bucket or s3://bucket/prefix; a bucket name is 3 to 63 lower-case letters, digits, dots and dashes.',
      });
    }
    const prefix = (match?.[2] ?? '').replaceAll(/^\/+|\/+$/g, '');
    const region = environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'] ?? 'us-east-1';
    const endpoint = environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
    const sessionToken = environment['AWS_SESSION_TOKEN'];
    const client = new AwsClient({
      accessKeyId: required(environment, 'AWS_ACCESS_KEY_ID', location),
      secretAccessKey: required(environment, 'AWS_SECRET_ACCESS_KEY', location),
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region,
      retries: RETRIES,
      initRetryMs: RETRY_PAUSE_MS,
    });
    const bucketUrl =
      endpoint === undefined
        ? `https://${bucket}.s3.${region}.amazonaws.com`
        : `${endpointUrl(endpoint).replace(/\/+$/, '')}/${bucket}`;
    return new S3ObjectStore(location, client, bucketUrl, prefix === '' ? '' : `${prefix}/`);
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    // Signed with the digest of what is sent, so that the storage refuses what was damaged on the way.
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
    const response = await this.#send('write', key, this.#urlOf(key), {
      method: 'PUT',
      body: bytes as Uint8Array<ArrayBuffer>,
      headers: { 'x-amz-content-sha256': digest, 'content-type': 'application/octet-stream' },
    });
    await response.arrayBuffer();
  }

  async get(key: string): Promise<Buffer | null> {
    const response = await this.#send('read', key, this.#urlOf(key), { method: 'GET' }, [404]);
    const body = Buffer.from(await this.#bodyOf(response, 'read', key));
    if (response.status !== 404) return body;
    // A bucket that is not there is not an object that is not there.
    if (body.includes('NoSuchBucket')) throw this.#failed('read', key, describe(response.status, body.toString()));
    return null;
  }

  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix: this.#prefix + prefix });
      if (token !== undefined) query.set('continuation-token', token);
      // A plus sign would be signed as a plus sign, and read as a space.
      const url = `${this.#bucketUrl}/?${query.toString().replaceAll('+', '%20')}`;
      const response = await this.#send('list', prefix, url, { method: 'GET' });
      const xml = Buffer.from(await this.#bodyOf(response, 'list', prefix)).toString('utf8');
      for (const key of textsOf(xml, 'Key')) keys.push(key.slice(this.#prefix.length));
      token = textsOf(xml, 'NextContinuationToken')[0];
    } while (token !== undefined);
    return keys.sort();
  }

  async delete(key: string): Promise<void> {
    const response = await this.#send('delete', key, this.#urlOf(key), { method: 'DELETE' }, [404]);
    await response.arrayBuffer();
  }

  async removeEmpty(): Promise<void> {
    // A bucket has no folders.
  }

  async #send(
    action: string,
    key: string,
    url: string,
    init: RequestInit,
    tolerated: readonly number[] = [],
  ): Promise<Response> {
    let response: Response;
    try {
      response = await this.#client.fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    } catch (cause) {
      throw this.#failed(action, key, reasonOf(cause), cause);
    }
    if (response.ok || tolerated.includes(response.status)) return response;
    const text = await response.text().catch(() => '');
    throw this.#failed(action, key, describe(response.status, text));
  }

  async #bodyOf(response: Response, action: string, key: string): Promise<ArrayBuffer> {
    try {
      return await response.arrayBuffer();
    } catch (cause) {
      throw this.#failed(action, key, reasonOf(cause), cause);
    }
  }

  #urlOf(key: string): string {
    const path = (this.#prefix + key).split('/').map(encodeURIComponent).join('/');
    return `${this.#bucketUrl}/${path}`;
  }

  #failed(action: string, key: string, reason: string, cause?: unknown): MillraceError {
    return new MillraceError(
      'MILLRACE_CHECKPOINT_STORE_FAILED',
      `${action} of '${key}' in '${this.location}' failed: ${reason}`,
      {
        details: { store: this.location, key },
        hint: 'Check the endpoint, the bucket and the rights of the credentials in the environment.',
        ...(cause === undefined ? {} : { cause }),
      },
    );
  }
}

function required(environment: Environment, name: string, location: string): string {
  const value = environment[name];
  if (value !== undefined && value !== '') return value;
  throw new ConfigError(`the checkpoint store "${location}" needs the environment variable ${name}`, {
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for other storage than that of AWS also AWS_ENDPOINT_URL_S3.',
  });
}

function endpointUrl(text: string): string {
  if (/^https?:\/\/[^\s]+$/.test(text) && URL.canParse(text)) return text;
  throw new ConfigError('AWS_ENDPOINT_URL_S3 is not the URL of an S3 endpoint', {
    hint: 'Write it with its scheme: https://storage.example.org:9000.',
  });
}

/** What the network said: the cause beneath fetch's own "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error.cause instanceof Error ? error.cause.message : '';
  return inner === '' ? error.message : `${error.message}: ${inner}`;
}

/** Status, and the code and message of S3's error document. */
function describe(status: number, xml: string): string {
  const code = textsOf(xml, 'Code')[0] ?? '';
  const message = textsOf(xml, 'Message')[0] ?? '';
  return [`status ${String(status)}`, code, message].filter((part) => part !== '').join(', ');
}

/** The texts of all elements of a name. S3's documents nest no element of one name in another, and hold no attributes there. */
function textsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map((match) => unescapeXml(match[1] ?? ''));
}

const xmlEntities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(lt|gt|quot|apos|amp));/g, (_all, decimal, hex, name) => {
    if (typeof name === 'string') return xmlEntities[name] ?? '';
    return String.fromCodePoint(typeof decimal === 'string' ? Number(decimal) : Number.parseInt(String(hex), 16));
  });
}
