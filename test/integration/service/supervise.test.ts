import { describe, expect, it } from 'vitest';
import { ServiceProcess } from '../../helpers/service-process.js';

const args = ['--parallelism', '1', '--state-backend', 'heap', '--supervise'];
const listens = /^listens\s+(\S+)$/gm;

describe('a supervised process', () => {
  it('is started again when V8 aborts it, and passes signal and exit code on', async () => {
    const service = await ServiceProcess.start({
      job: 'aborts-the-process',
      args,
      env: { NODE_OPTIONS: '--max-old-space-size=60' },
    });
    try {
      const before = (await (await service.post('/abort', {})).json()) as { pid: number };
      await expect(service.post('/abort', { abort: true })).rejects.toThrow();
      await service.until(() => [...service.stdout.matchAll(listens)].length === 2, 'the second process');
      expect(service.stderr).toContain('aborted and is started again');
      const url = [...service.stdout.matchAll(listens)][1]?.[1] ?? '';
      const response = await fetch(`${url}/abort`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
      const after = (await response.json()) as { pid: number };
      expect(after.pid).not.toBe(before.pid);
      expect(await service.stop()).toEqual({ code: 0, signal: null });
    } finally {
      await service.dispose();
    }
  });

  it('is not started again when it ends by itself', async () => {
    const { end, service } = await ServiceProcess.run({ job: 'no-job', args });
    expect(end).toEqual({ code: 1, signal: null });
    expect(service.stderr).not.toContain('started again');
  });
});
