import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayPlugin } from '../../../src/http/gateway.js';
import type { KeyableRequest } from '../../../src/main/job-control.js';
import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';
import { withService } from '../../helpers/service-process.js';
import { withTemporaryDirectory } from '../../helpers/temporary-directory.js';

let open: GatewayUnderTest | null = null;

afterEach(async () => {
  await open?.gateway.close();
  open = null;
});

async function start(...args: Parameters<typeof GatewayUnderTest.start>): Promise<GatewayUnderTest> {
  open = await GatewayUnderTest.start(...args);
  return open;
}

describe('a data token', () => {
  it('lets in who shows it, and nobody else; health stays open', async () => {
    const service = await start({ dataToken: 'open sesame' });
    const without = await service.post('/echo', { a: 1 });
    expect(without.status).toBe(401);
    expect(await without.json()).toMatchObject({ code: 'MILLRACE_UNAUTHORIZED' });
    expect((await service.post('/echo', { a: 1 }, { authorization: 'Bearer open sesam' })).status).toBe(401);
    expect((await service.post('/echo', { a: 1 }, { authorization: 'Bearer open sesame' })).status).toBe(200);
    expect((await service.post('/echo', { a: 1 }, { authorization: 'Basic open sesame' })).status).toBe(401);
    expect((await service.fetch('/requests/00000000-0000-4000-8000-000000000000')).status).toBe(401);
    expect((await service.fetch('/healthz')).status).toBe(200);
  });

  it('never reaches a body that nobody may send', async () => {
    const service = await start({ dataToken: 'x' });
    await service.post('/echo', '{broken');
    expect(service.job.submissions).toHaveLength(0);
  });
});

describe('a rate limit', () => {
  it('answers 429 with the time to wait, and lets in again afterwards', async () => {
    const service = await start({ rateLimitMax: 2, rateLimitWindowMs: 60_000 });
    const statuses = [];
    for (let count = 0; count < 4; count++) statuses.push((await service.post('/echo', {})).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const refused = await service.post('/echo', {});
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'MILLRACE_RATE_LIMITED', status: 429 });
  });
});

describe('a limit per key', () => {
  const byName = { ...requestRoute('POST /accounts/:name'), key: ({ params }: KeyableRequest) => params.name };

  it('turns away the requests of one key, and of no other', async () => {
    const service = await start({ rateLimitKeyMax: 2, rateLimitWindowMs: 60_000 }, [byName]);
    const statusOf = async (name: string): Promise<number> => (await service.post(`/accounts/${name}`, {})).status;
    expect(await Promise.all([statusOf('ada'), statusOf('ada'), statusOf('ben')])).toEqual([200, 200, 200]);
    const refused = await service.post('/accounts/ada', {});
    expect(await refused.json()).toMatchObject({ code: 'MILLRACE_RATE_LIMITED', status: 429 });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await statusOf('ben')).toBe(200);
    expect(service.job.submissions).toHaveLength(4);
  });

  it('does not count what was refused at the door', async () => {
    const service = await start({ rateLimitKeyMax: 1, rateLimitWindowMs: 60_000 }, [byName]);
    expect((await service.post('/accounts/ada', '{broken')).status).toBe(400);
    expect((await service.post('/accounts/ada', {})).status).toBe(200);
  });
});

describe('cross-origin requests', () => {
  const preflight = (origin: string): RequestInit => ({
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
  });

  it('are allowed to nobody by default', async () => {
    const service = await start();
    const answer = await service.fetch('/echo', preflight('https://shop.example'));
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('are allowed to the pages that the settings name, before any token is asked for', async () => {
    const service = await start({ corsOrigins: ['https://shop.example'], dataToken: 'x' });
    const allowed = await service.fetch('/echo', preflight('https://shop.example'));
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    const foreign = await service.fetch('/echo', preflight('https://evil.example'));
    expect(foreign.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
  });

  it('carry their headers on the answers of the job itself', async () => {
    await withService({ env: { MILLRACE_CORS_ORIGINS: 'https://shop.example' } }, async (service) => {
      const answer = await fetch(`${service.url}/event`, {
        method: 'POST',
        headers: { origin: 'https://shop.example', 'content-type': 'application/json' },
        body: '{}',
      });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('access-control-allow-origin')).toBe('https://shop.example');
    });
  });
});

describe("an author's own plugin", () => {
  it('sees every request first, those of the gateway included', async () => {
    const plugin: GatewayPlugin = (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (request.headers['x-user'] === undefined) await reply.code(401).send({ who: 'are you?' });
      });
    };
    const service = await start({}, undefined, { plugin });
    expect((await service.post('/echo', {})).status).toBe(401);
    expect((await service.fetch('/metrics')).status).toBe(401);
    expect((await service.fetch('/healthz', { headers: { 'x-user': 'ada' } })).status).toBe(200);
  });

  it('is a module that a setting names', async () => {
    await withTemporaryDirectory(async (folder) => {
      const path = join(folder, 'door.mjs');
      await writeFile(
        path,
        "export default (app) => app.addHook('onRequest', (q, r) => r.code(418).send('teapot'));\n",
      );
      await withService({ args: ['--http-plugin', path] }, async (service) => {
        expect((await fetch(`${service.url}/event`, { method: 'POST' })).status).toBe(418);
      });
    });
  });
});

describe('TLS', () => {
  it('is spoken where certificate and key are given', async () => {
    await withTemporaryDirectory(async (folder) => {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
      const request = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ];
      execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
      const tls = { cert: await readFile(cert), key: await readFile(key) };
      const service = await start({ maxHeaderBytes: 4_096 }, undefined, { tls });
      expect(service.url).toMatch(/^https:/);
      const statusOf = (headers: Record<string, string>): Promise<number | undefined> =>
        new Promise((resolve, reject) => {
          get(`${service.url}/healthz`, { ca: tls.cert, headers }, (response) => {
            response.resume();
            resolve(response.statusCode);
          }).once('error', reject);
        });
      expect(await statusOf({})).toBe(200);
      expect(await statusOf({ 'x-long': 'x'.repeat(5_000) })).toBe(431);
    });
  });
});
