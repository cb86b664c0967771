import { spawnSync } from 'node:child_process';
import { parser } from '@prometheus-io/lezer-promql';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { projectPath, readProjectFile } from '../helpers/project-files.js';

/** What operators take from the repository as it is: alerts, a dashboard, an image, a unit. */

interface AlertRules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

/** Placeholders that Grafana fills in before Prometheus sees an expression. */
const RATE_INTERVAL = /\$__rate_interval/g;

function faultOf(expression: string): string | null {
  const text = expression.replaceAll(RATE_INTERVAL, '1m');
  let fault: string | null = null;
  parser.parse(text).iterate({
    enter: (node) => {
      if (node.type.isError) fault ??= `${text} at ${node.from}`;
    },
  });
  return fault;
}

function metricsOf(expression: string): string[] {
  return [...expression.matchAll(/\bmillrace_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
}

const documented = new Set(
  [...readProjectFile('docs/metrics.md').matchAll(/`(millrace_\w+)`/g)].map(([, name]) => name),
);
const alerts = (parse(readProjectFile('ops/prometheus/alerts.yml')) as AlertRules).groups.flatMap(({ rules }) => rules);
const dashboard = JSON.parse(readProjectFile('ops/grafana/millrace.json')) as Dashboard;
const panels = dashboard.panels.filter(({ targets }) => targets !== undefined);
const expressions = [
  ...alerts.map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [`panel ${title}`, expr] as const)),
];

describe('alerts and dashboard', () => {
  it('are there, each panel and alert once', () => {
    expect(alerts.length).toBeGreaterThan(3);
    expect(panels.length).toBeGreaterThan(8);
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  it('are checked by a parser that finds what is wrong', () => {
    expect(faultOf('sum(rate(x[5m])')).not.toBeNull();
    expect(faultOf('sum(rate(x[5m]))')).toBeNull();
  });

  it.each(expressions)('%s is a PromQL expression over metrics that exist', (_, expression) => {
    expect(faultOf(expression)).toBeNull();
    expect(metricsOf(expression).filter((name) => !documented.has(name))).toEqual([]);
  });
});

describe('the image', () => {
  it('is built from a Dockerfile without faults', () => {
    expect(validate('FORM node:24\n').length).toBeGreaterThan(0);
    expect(validate(readProjectFile('Dockerfile')).map(({ message }) => message)).toEqual([]);
  });

  it('runs as a user of its own and says whether it is ready', () => {
    const text = readProjectFile('Dockerfile');
    expect(text).toMatch(/^USER node$/m);
    expect(text).toMatch(/^HEALTHCHECK /m);
  });

  it('is part of a composition that fits the specification of compose files', () => {
    const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
    const faultsOf = (path: string): string[] =>
      linter
        .lintFiles([path], false)
        .flatMap(({ messages }) => messages)
        .filter(({ type }) => type === 'error')
        .map(({ message }) => message);
    expect(faultsOf(projectPath('compose.yaml'))).toEqual([]);
    expect(faultsOf(projectPath('test/fixtures/ops/compose-broken.yaml'))).not.toEqual([]);
  });

  it('is part of a composition whose ports are open on this machine alone', () => {
    const { services } = parse(readProjectFile('compose.yaml')) as {
      services: Record<string, { ports?: string[]; image?: string; build?: string }>;
    };
    expect(Object.keys(services)).toEqual(expect.arrayContaining(['kafka', 'millrace']));
    for (const { ports = [], image, build } of Object.values(services)) {
      expect(image ?? build).toBeDefined();
      expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
    }
  });
});

describe('the systemd unit', () => {
  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

  it.runIf(hasSystemd)('is what systemd itself takes', () => {
    const { stderr } = spawnSync('systemd-analyze', ['verify', projectPath('ops/systemd/millrace.service')], {
      encoding: 'utf8',
    });
    // The program's own paths are those of another machine.
    const faults = stderr
      .split('\n')
      .filter((line) => line.includes('millrace.service') && !line.includes('/usr/bin/node'));
    expect(faults).toEqual([]);
  });
});
