import type { FastifyRequest } from 'fastify';
import { describe, expect, it } from 'vitest';
import { AdminGuard } from '../../../../src/http/admin/admin-guard.js';
import { ProblemError } from '../../../../src/http/problem.js';

function outcome(token: string | null, remoteAddress: string, headers: Record<string, string>): string {
  const request = { headers, socket: { remoteAddress } } as unknown as FastifyRequest;
  try {
    new AdminGuard(token).check(request);
    return 'let in';
  } catch (error) {
    return error instanceof ProblemError ? error.problem.code : String(error);
  }
}

const LOCAL = { host: '127.0.0.1:8080' };

describe('the admin guard', () => {
  it.each([
    ['127.0.0.1', LOCAL],
    ['::1', { host: '[::1]:8080' }],
    ['::ffff:127.0.0.1', { host: 'localhost' }],
    ['127.0.0.1', { host: 'localhost:8080', origin: 'http://localhost:8080' }],
  ])('lets a program on this machine in: %s %o', (address, headers) => {
    expect(outcome(null, address, headers)).toBe('let in');
    expect(outcome('secret', address, headers)).toBe('let in');
  });

  it('asks other machines for the token', () => {
    const host = 'millrace.example';
    expect(outcome(null, '10.0.0.7', { host })).toBe('MILLRACE_UNAUTHORIZED');
    expect(outcome('secret', '10.0.0.7', { host })).toBe('MILLRACE_UNAUTHORIZED');
    expect(outcome('secret', '10.0.0.7', { host, authorization: 'Bearer secret' })).toBe('let in');
    expect(outcome('secret', '10.0.0.7', { host, authorization: 'Bearer secre' })).toBe('MILLRACE_UNAUTHORIZED');
    expect(outcome('secret', '10.0.0.7', { host, authorization: 'Basic secret' })).toBe('MILLRACE_UNAUTHORIZED');
    expect(outcome(null, '10.0.0.7', { host, authorization: 'Bearer ' })).toBe('MILLRACE_UNAUTHORIZED');
  });

  it('takes a name that is not loopback for a page that rebound its name', () => {
    expect(outcome(null, '127.0.0.1', { host: 'evil.example' })).toBe('MILLRACE_FORBIDDEN');
    expect(outcome(null, '127.0.0.1', {})).toBe('MILLRACE_FORBIDDEN');
  });

  it('refuses a page of another origin, whatever its scheme', () => {
    expect(outcome(null, '127.0.0.1', { ...LOCAL, origin: 'https://evil.example' })).toBe('MILLRACE_FORBIDDEN');
    expect(outcome(null, '127.0.0.1', { ...LOCAL, origin: 'null' })).toBe('MILLRACE_FORBIDDEN');
    expect(outcome(null, '127.0.0.1', { ...LOCAL, origin: 'http://127.0.0.1:9999' })).toBe('MILLRACE_FORBIDDEN');
  });
});
