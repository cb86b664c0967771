import { Validator } from '@seriousme/openapi-schema-validator';
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { GatewayUnderTest } from '../../helpers/gateway-under-test.js';
import { requestRoute } from '../../helpers/loopback-job.js';

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>;
}

interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

describe('the OpenAPI document', () => {
  let server: GatewayUnderTest;
  let document: Document;

  beforeAll(async () => {
    const Tree = Type.Cyclic({ Node: Type.Object({ next: Type.Optional(Type.Ref('Node')) }) }, 'Node');
    server = await GatewayUnderTest.start({}, [
      requestRoute('POST /counters/:name', {
        summary: 'Adds to a counter',
        bodySchema: Type.Object({ amount: Type.Integer() }),
        responseSchema: Type.Object({ name: Type.String(), value: Type.Integer() }),
      }),
      requestRoute('GET /counters/:name', { querySchema: Type.Object({ unit: Type.Optional(Type.String()) }) }),
      requestRoute('DELETE /counters/:name'),
      requestRoute('PUT /trees', { bodySchema: Tree }),
      requestRoute('POST /event'),
    ]);
    document = (await (await server.fetch('/openapi.json')).json()) as Document;
  });

  afterAll(() => server.stop());

  it('is valid', async () => {
    const result = await new Validator().validate(JSON.parse(JSON.stringify(document)) as Record<string, unknown>);
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
    expect(document.info).toEqual({ title: 'loopback', version: '1.2.3' });
  });

  it('describes the routes of the job by their schemas', () => {
    const post = document.paths['/counters/{name}']?.post;
    expect(post).toMatchObject({ summary: 'Adds to a counter', tags: ['job'] });
    expect(post?.parameters).toMatchObject([
      { name: 'name', in: 'path', required: true },
      { name: 'idempotency-key', in: 'header', required: false },
    ]);
    expect(post?.requestBody?.content['application/json']?.schema).toMatchObject({ required: ['amount'] });
    expect(post?.responses['200']?.content?.['application/json']?.schema).toMatchObject({
      required: ['name', 'value'],
    });
    expect(Object.keys(post?.responses['4XX']?.content ?? {})).toEqual(['application/problem+json']);
    const get = document.paths['/counters/{name}']?.get;
    expect(get?.parameters).toMatchObject([
      { in: 'query', name: 'unit' },
      { in: 'path', name: 'name' },
    ]);
    expect(get).not.toHaveProperty('requestBody');
  });

  it('holds a recursive schema as a component that refers to itself', () => {
    const schema = document.paths['/trees']?.put?.requestBody?.content['application/json']?.schema as { $ref: string };
    const name = /^#\/components\/schemas\/([\w-]+)$/.exec(schema.$ref)?.[1] ?? '';
    const node = `#/components/schemas/${name}/$defs/Node`;
    expect(document.components.schemas[name]).toEqual({
      $ref: node,
      $defs: { Node: { type: 'object', properties: { next: { $ref: node } } } },
    });
  });

  it("names the gateway's own routes, each once, and not the page", () => {
    expect(Object.keys(document.paths).toSorted()).toEqual([
      '/counters/{name}',
      '/event',
      '/healthz',
      '/jobs',
      '/jobs/overview',
      '/jobs/{jobId}',
      '/jobs/{jobId}/plan',
      '/metrics',
      '/openapi.json',
      '/overview',
      '/readyz',
      '/requests/{id}',
      '/trees',
    ]);
  });

  it('is shown by a page that loads nothing from elsewhere', async () => {
    const page = await server.fetch('/docs');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const html = await page.text();
    const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(assets.length).toBeGreaterThan(3);
    for (const asset of assets) {
      expect(asset).toMatch(/^\/docs\/static\//);
      const response = await server.fetch(asset);
      expect([asset, response.status]).toEqual([asset, 200]);
      const text = await response.text();
      if (asset.endsWith('initializer.js')) expect(text).not.toContain('validator.swagger.io');
    }
    expect(await (await server.fetch('/docs/json')).json()).toEqual(document);
  });

  it('keeps to its folder', async () => {
    for (const path of ['/docs/static/..%2f..%2fpackage.json', '/docs/../package.json', '/docs/nothing']) {
      const response = await server.fetch(path);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  it('answers a HEAD as well', async () => {
    for (const path of ['/docs', '/openapi.json', '/docs/static/swagger-ui.css']) {
      const response = await server.fetch(path, { method: 'HEAD' });
      expect([path, response.status]).toEqual([path, 200]);
    }
  });

  it('has no page when none is wanted', async () => {
    const plain = await GatewayUnderTest.start({ docsPage: false });
    expect((await plain.fetch('/docs')).status).toBe(404);
    expect((await plain.fetch('/openapi.json')).status).toBe(200);
    await plain.stop();
  });
});
