import { graphlib, layout } from '@dagrejs/dagre';

import type { Edge, Vertex } from '../api/types.js';

/** Where the boxes of the graph lie: layers from left to right, as the records go. */

export const NODE_WIDTH = 240;
const ROW_HEIGHT = 18;
const FRAME_HEIGHT = 92;
const OPERATORS_SHOWN_MAX = 4;

export interface Box {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

/** Operators that a box names; the rest are counted. */
export function shownOperators(vertex: Vertex): number {
  return Math.min(vertex.operators.length, OPERATORS_SHOWN_MAX);
}

export function heightOf(vertex: Vertex): number {
  const lines = shownOperators(vertex) + (vertex.operators.length > OPERATORS_SHOWN_MAX ? 1 : 0);
  return FRAME_HEIGHT + lines * ROW_HEIGHT;
}

export function layOut(vertices: readonly Vertex[], edges: readonly Edge[]): readonly Box[] {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 28, ranksep: 170, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const vertex of vertices) graph.setNode(vertex.id, { width: NODE_WIDTH, height: heightOf(vertex) });
  for (const { source, target } of edges) graph.setEdge(source, target);
  layout(graph);
  return vertices.map((vertex) => {
    const { x = 0, y = 0 } = graph.node(vertex.id) as { readonly x?: number; readonly y?: number };
    const height = heightOf(vertex);
    return { id: vertex.id, x: x - NODE_WIDTH / 2, y: y - height / 2, height };
  });
}
