import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceProcess } from '../helpers/service-process.js';

/** What docs/security.md promises of a process as it is started, with its UI, its admin API and its log. */

const SECRETS = { MILLRACE_ADMIN_TOKEN: 'admin-secret-4711', MILLRACE_DATA_TOKEN: 'data-secret-4711' };

describe('a running process', () => {
  let service: ServiceProcess;

  beforeAll(async () => {
    service = await ServiceProcess.start({
      job: 'counters',
      args: ['--parallelism', '1', '--log-level', 'debug'],
      env: SECRETS,
    });
  });

  afterAll(() => service.dispose());

  const asAdmin = (path: string): Promise<Response> =>
    service.fetch(path, { headers: { authorization: `Bearer ${SECRETS.MILLRACE_ADMIN_TOKEN}` } });

  /** Sends a path as it is: `fetch` would resolve its dots. */
  const raw = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(service.url);
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      });
      let answer = '';
      socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
      socket.on('error', reject).on('close', () => resolve(answer));
    });

  it.each([
    '/ui/../package.json',
    '/ui/../../package.json',
    '/ui/..%2f..%2fpackage.json',
    '/ui/%2e%2e/%2e%2e/package.json',
    '/ui/assets/..%5c..%5c..%5cpackage.json',
    '/ui//etc/passwd',
    '/ui/%00/../main.js',
    '/ui/.built-from',
  ])('gives nothing beside its UI for %s', async (path) => {
    const answer = await raw(path);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toMatch(/"version"|root:|import /);
  });

  it.each(['..', '..%2f..%2fetc', 'counters.requests.adds%2f..', '%00'])(
    'knows no topic of the name %s',
    async (name) => {
      for (const path of [`/topics/${name}`, `/topics/${name}/records`]) {
        expect(await raw(path), path).toMatch(/^HTTP\/1\.1 4\d\d /);
      }
    },
  );

  it('lets no script into its UI but its own, and no other page show it', async () => {
    const response = await service.fetch('/ui/');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(await response.text()).not.toMatch(/<script(?![^>]*\bsrc=)|\bon\w+=/);
  });

  it('shows its secrets nowhere: not in its settings, its metrics, its refusals or its log', async () => {
    const { jobs } = (await (await asAdmin('/jobs')).json()) as { jobs: readonly [{ id: string }] };
    const settings = await (await asAdmin('/jobmanager/config')).json();
    expect(settings).toContainEqual({ key: 'adminToken', value: '***' });
    expect(settings).toContainEqual({ key: 'dataToken', value: '***' });
    const seen: string[] = [];
    for (const path of [
      '/jobmanager/config',
      '/config',
      `/jobs/${jobs[0].id}/config`,
      `/jobs/${jobs[0].id}/exceptions`,
      '/metrics',
      '/openapi.json',
    ]) {
      const response = await asAdmin(path);
      expect([path, response.status]).toEqual([path, 200]);
      seen.push(await response.text());
    }
    const wrong = { authorization: 'Bearer data-secret-4712' };
    const refused = await service.post('/counters/one', { amount: 1 }, wrong);
    expect(refused.status).toBe(401);
    seen.push(await refused.text(), service.stdout, service.stderr);
    for (const text of seen) expect(text).not.toMatch(/secret-471[12]/);
  });
});
