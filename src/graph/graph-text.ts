import type { ExchangeKind, ExecutionPlan, PlanEdge, PlanOperator, PlanVertex } from './execution-plan.js';

/**
 * A plan for people and for tools: a tree of text for the console, a Mermaid diagram for documents, and JSON with the field
 * names of Flink's `/jobs/:id/plan`.
 */

/**
 * One task after the other, its operators as a tree, and below them the edges that leave it. No line end at the end:
 *
 * ```text
 * job demo: 2 tasks, parallelism 2, 2 workers, 16 shards
 *
 * [0] Source: POST /words  ×2
 *     Split
 *     ══ hash ══▶ [1]
 *
 * [1] Count (count)  ×2
 *     Sink: respond
 * ```
 */
export function planToText(plan: ExecutionPlan): string {
  const { jobName, vertices, parallelism, workerCount, shardCount } = plan;
  const facts = [
    counted(vertices.length, 'task'),
    `parallelism ${String(parallelism)}`,
    counted(workerCount, 'worker'),
    counted(shardCount, 'shard'),
  ];
  const blocks = vertices.map((vertex) => vertexToText(plan, vertex));
  return [`job ${jobName}: ${facts.join(', ')}`, ...blocks].join('\n\n');
}

function vertexToText(plan: ExecutionPlan, vertex: PlanVertex): string {
  const lines: string[] = [];
  appendOperator(lines, plan, vertex, 0, `[${String(vertex.index)}] `, INDENT);
  lines[0] = `${lines[0] ?? ''}  ×${String(vertex.parallelism)}`;
  return lines.join('\n');
}

const INDENT = '    ';

/**
 * Appends an operator and, below it, everything that it feeds. A single follower stays in the same column, so that a plain
 * chain reads straight down; several are drawn as branches.
 */
function appendOperator(
  lines: string[],
  plan: ExecutionPlan,
  vertex: PlanVertex,
  index: number,
  head: string,
  indent: string,
): void {
  const operator = vertex.operators[index];
  if (operator === undefined) return;
  lines.push(`${head}${operatorToText(operator)}`);
  for (const [place, output] of operator.outputs.entries()) {
    const isLast = place === operator.outputs.length - 1;
    const isAlone = operator.outputs.length === 1;
    const branch = isAlone ? indent : `${indent}${isLast ? '└─ ' : '├─ '}`;
    const below = isAlone ? indent : `${indent}${isLast ? '   ' : '│  '}`;
    const label = output.sideTag === null ? '' : `(${output.sideTag}) `;
    if (output.kind === 'edge') lines.push(`${branch}${label}${edgeToText(plan.edges[output.edge])}`);
    else appendOperator(lines, plan, vertex, output.operator, `${branch}${label}`, below);
  }
}

/** With the author's uid, unless the name says it already. */
function operatorToText({ name, id, isGeneratedId }: PlanOperator): string {
  return isGeneratedId || name === id ? name : `${name} (${id})`;
}

function edgeToText(edge: PlanEdge | undefined): string {
  if (edge === undefined) return '';
  const input = edge.input === 2 ? ', input 2' : '';
  return `══ ${edge.exchange} ══▶ [${String(edge.targetVertex)}]${input}`;
}

function counted(count: number, what: string): string {
  return `${String(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** A flowchart: a box per operator, a frame per task, a labelled arrow per edge between tasks. */
export function planToMermaid(plan: ExecutionPlan): string {
  const lines = ['flowchart LR'];
  for (const vertex of plan.vertices) {
    lines.push(`  subgraph v${String(vertex.index)}["task ${String(vertex.index)} ×${String(vertex.parallelism)}"]`);
    for (const { index, name } of vertex.operators) {
      lines.push(`    ${mermaidId(vertex.index, index)}["${escapeMermaid(name)}"]`);
    }
    lines.push('  end');
  }
  for (const vertex of plan.vertices) {
    for (const operator of vertex.operators) lines.push(...mermaidArrows(plan, vertex, operator));
  }
  return lines.join('\n') + '\n';
}

function mermaidArrows(plan: ExecutionPlan, vertex: PlanVertex, operator: PlanOperator): string[] {
  const from = mermaidId(vertex.index, operator.index);
  return operator.outputs.map((output) => {
    const side = output.sideTag === null ? '' : escapeMermaid(output.sideTag);
    if (output.kind === 'chained') {
      const to = mermaidId(vertex.index, output.operator);
      return side === '' ? `  ${from} --> ${to}` : `  ${from} -->|"${side}"| ${to}`;
    }
    const edge = plan.edges[output.edge];
    const to = mermaidId(edge?.targetVertex ?? 0, 0);
    const label = [side, edge?.exchange ?? ''].filter((part) => part !== '').join(', ');
    return `  ${from} ==>|"${label}"| ${to}`;
  });
}

function mermaidId(vertex: number, operator: number): string {
  return `o${String(vertex)}_${String(operator)}`;
}

/** Mermaid reads `#…;` as a character of that name, and takes no quote inside quotes. */
function escapeMermaid(text: string): string {
  return text.replace(/[#"<>&]/g, (character) => `#${String(character.charCodeAt(0))};`).replace(/\s+/g, ' ');
}

/** Flink's words for how records travel. */
const SHIP_STRATEGIES: Readonly<Record<ExchangeKind, string>> = {
  forward: 'FORWARD',
  hash: 'HASH',
  rebalance: 'REBALANCE',
  broadcast: 'BROADCAST',
};

/** A task in Flink's plan, with its operators beside. */
export interface PlanNodeJson {
  readonly id: string;
  readonly name: string;
  readonly parallelism: number;
  /** Flink leaves both empty for DataStream jobs. */
  readonly operator: string;
  readonly operator_strategy: string;
  readonly description: string;
  readonly inputs: readonly PlanInputJson[];
  readonly operators: readonly { readonly uid: string; readonly name: string; readonly kind: string }[];
}

export interface PlanInputJson {
  readonly num: number;
  /** The task's id. */
  readonly id: string;
  readonly ship_strategy: string;
  readonly exchange: 'pipelined_bounded';
}

/** Flink's `/jobs/:id/plan` without the job id, which the plan does not know. */
export interface PlanJson {
  readonly name: string;
  readonly type: 'STREAMING';
  readonly nodes: readonly PlanNodeJson[];
}

export function planToJson(plan: ExecutionPlan): PlanJson {
  return {
    name: plan.jobName,
    type: 'STREAMING',
    nodes: plan.vertices.map((vertex) => ({
      id: vertex.id,
      name: vertex.name,
      parallelism: vertex.parallelism,
      operator: '',
      operator_strategy: '',
      description: vertex.name,
      inputs: vertex.inputEdges.map((edge, num) => inputToJson(plan, edge, num)),
      operators: vertex.operators.map(({ id, name, kind }) => ({ uid: id, name, kind })),
    })),
  };
}

function inputToJson(plan: ExecutionPlan, edgeIndex: number, num: number): PlanInputJson {
  const edge = plan.edges[edgeIndex];
  return {
    num,
    id: plan.vertices[edge?.sourceVertex ?? -1]?.id ?? '',
    ship_strategy: SHIP_STRATEGIES[edge?.exchange ?? 'forward'],
    exchange: 'pipelined_bounded',
  };
}
