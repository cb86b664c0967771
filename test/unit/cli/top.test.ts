import { describe, expect, it } from 'vitest';
import { parseMetrics, quantileBetween } from '../../../src/cli/metrics-text.js';
import { frameOf, frameText } from '../../../src/cli/top.js';

const job = { name: 'demo', state: 'RUNNING', vertices: [{ id: 'v0', name: 'Source: bids -> Count', parallelism: 2 }] };

function metrics(records: number, requests: number): string {
  return `# HELP x
millrace_task_records_in_total{vertex="v0",subtask="0"} ${records}
millrace_task_records_in_total{vertex="v0",subtask="1"} ${records}
millrace_task_busy_time_ms_per_second{vertex="v0",subtask="0"} 250
millrace_task_busy_time_ms_per_second{vertex="v0",subtask="1"} 900
millrace_http_requests_total{route="/a \\"b\\"",status="200"} ${requests}
millrace_http_request_duration_seconds_bucket{le="0.001"} ${requests / 2}
millrace_http_request_duration_seconds_bucket{le="0.01"} ${requests}
millrace_http_request_duration_seconds_bucket{le="+Inf"} ${requests}
millrace_checkpoint_last_completed_age_seconds 0.5
`;
}

const before = { atMs: 0, job, samples: parseMetrics(metrics(100, 10)) };
const now = { atMs: 2000, job, samples: parseMetrics(metrics(600, 30)) };

describe('millrace top', () => {
  it('reads labels as they were written', () => {
    expect(before.samples.find(({ name }) => name === 'millrace_http_requests_total')?.labels['route']).toBe('/a "b"');
  });

  it('shows what happened between two scrapes', () => {
    const frame = frameOf(before, now);
    expect(frame.requestsPerSecond).toBe(10);
    expect(frame.tasks[0]).toMatchObject({ inPerSecond: 500, busy: 0.9 });
    expect([frame.p50Seconds, frame.p99Seconds]).toEqual([0.001, 0.01]);
  });

  it('knows no latency where nothing was answered', () => {
    expect(quantileBetween(now.samples, now.samples, 'millrace_http_request_duration_seconds', 0.5)).toBeNull();
  });

  it('never writes a line wider than the terminal', () => {
    const text = frameText(frameOf(before, now), 70);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(text).toContain('90 %');
  });
});
