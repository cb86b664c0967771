import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../helpers/project-files.js';

/** What a logger in a process of its own writes to standard error: it owns the file descriptor. */
function written(format: 'json' | 'text'): string {
  const module = projectPath('dist/main/logger.js');
  const script = `
    const { createLogger } = await import(${JSON.stringify(module)});
    const logger = createLogger({ level: 'info', format: '${format}' });
    logger.debug({}, 'not this');
    logger.info({ authorization: 'Bearer abc', headers: { cookie: 'id=abc', accept: 'x' }, user: { password: 'abc' } }, 'said');
    logger.error({ err: new Error('what happened') }, 'failed');`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stderr;
}

describe('the logger', () => {
  it.each(['json', 'text'] as const)(
    'writes %s to standard error, without what a client sent as a credential',
    (format) => {
      const text = written(format);
      expect(text).toContain('said');
      expect(text).toContain('what happened');
      expect(text).not.toContain('not this');
      expect(text).not.toContain('abc');
      expect(text).toContain('accept');
    },
  );

  it('writes one object a line as json, with an ISO time', () => {
    const lines = written('json').trim().split('\n');
    expect(lines).toHaveLength(2);
    const line = JSON.parse(lines[0] ?? '') as { time: string; level: number; msg: string };
    expect(line).toMatchObject({ level: 30, msg: 'said' });
    expect(new Date(line.time).toISOString()).toBe(line.time);
  });
});
