import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createExecutionPlan } from '../graph/create-execution-plan.js';
import { planToJson, planToMermaid, planToText } from '../graph/graph-text.js';
import type { ExecutionPlan } from '../graph/execution-plan.js';
import { loadJobModule } from '../graph/job-module.js';
import { buildStreamGraph } from '../graph/stream-graph.js';
import { type Command, EXIT_OK, integerOption, textOption, UsageError } from './command.js';

const formats: Readonly<Record<string, (plan: ExecutionPlan) => string>> = {
  text: (plan) => `${planToText(plan)}\n`,
  mermaid: planToMermaid,
  json: (plan) => `${JSON.stringify(planToJson(plan), null, 2)}\n`,
};

const SHARD_COUNT = 16;

/** Draws a job without running it. */
export const graph: Command = {
  summary: 'Draw a job as text, Mermaid or JSON, without running it.',
  usage: '<job module> [--format text|mermaid|json] [--parallelism N]',
  options: {
    format: {
      type: 'string',
      placeholder: 'text|mermaid|json',
      description: 'Default: text. JSON has the fields of /jobs/:id/plan.',
    },
    parallelism: { type: 'string', placeholder: 'number', description: 'As for run. Default: available cores - 1.' },
    'shard-count': { type: 'string', placeholder: 'number', description: 'As for run. Default: 16.' },
    job: { type: 'string', placeholder: 'path', description: 'The job module, where it is not the first argument.' },
  },
  async run({ values, positionals, terminal }) {
    const path = positionals[0] ?? textOption(values, 'job', '');
    if (path === '' || positionals.length > 1) throw new UsageError('expected the path of one job module');
    const format = textOption(values, 'format', 'text');
    const draw = formats[format];
    if (draw === undefined)
      throw new UsageError(`--format: expected text, mermaid or json, got ${JSON.stringify(format)}`);
    const shardCount = integerOption(values, 'shard-count', SHARD_COUNT);
    const parallelism = integerOption(values, 'parallelism', Math.max(1, availableParallelism() - 1));
    if (parallelism > shardCount) throw new UsageError('--parallelism: at most the number of shards');
    const job = await loadJobModule(pathToFileURL(resolve(path)).href);
    const plan = createExecutionPlan(buildStreamGraph(job.build()), {
      parallelism,
      workerCount: parallelism,
      shardCount,
    });
    for (const warning of plan.warnings) terminal.err(`warn  ${warning}\n`);
    terminal.out(draw(plan));
    return EXIT_OK;
  },
};
