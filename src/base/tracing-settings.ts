/** The settings of traces: part of the table in config-table.ts, in the order of `--help`. */
import type { SettingTable } from './setting.js';

export const tracingSettings = {
  traceSample: {
    section: 'Tracing',
    kind: 'fraction',
    default: 0,
    description:
      'Share of requests whose way through the operators is noted; above 0, those that their callers trace are noted as well. A request with the header millrace-trace is noted whatever the share, if its caller may use the admin API.',
  },
  otlpEndpoint: {
    section: 'Tracing',
    kind: 'optional-text',
    placeholder: 'url',
    default: null,
    defaultText: 'none',
    description:
      'Address of an OpenTelemetry collector that gets every trace by OTLP over HTTP, such as http://localhost:4318/v1/traces.',
  },
} as const satisfies SettingTable;
