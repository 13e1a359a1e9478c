import Table from 'cli-table3'
import { type Placement, placementText, readTraces, type TraceEvent } from 'moiety/runtime'

/** Time of a kind of operation, or of one node, in a step. */
export interface Share {
  readonly name: string
  readonly milliseconds: number
  readonly count: number
}

export interface Profile {
  readonly steps: number
  /** Mean time of a step. */
  readonly milliseconds: number
  readonly operations: readonly Share[]
  /** By name: the engine begins with some kernels of the last layers, so the order of its work says little. */
  readonly layers: readonly LayerShare[]
  readonly nodes: readonly Share[]
  /** What the processor computed of it, where it ran on another device. */
  readonly placement?: Placement
}

/** Milliseconds of a step that a layer takes, or what else has a name of its own: the optimizer, the loss. */
export interface LayerShare {
  readonly name: string
  readonly forward: number
  readonly backward: number
}

/** Reads the profile whose file begins with `prefix`, the first `warmup` steps left out. */
export async function readProfile(prefix: string, warmup: number): Promise<Profile> {
  const traces = (await readTraces(prefix)).map(events => ({
    events,
    runs: events.filter(event => event.name === 'model_run').sort((a, b) => a.ts - b.ts),
  }))
  if (traces.length === 0) throw new Error(`ONNX Runtime wrote no profile that begins with ${prefix}`)
  // What is computed apart from the step runs as often in each step.
  const all = Math.min(...traces.map(({ runs }) => runs.length))
  const timed = traces.map(({ events, runs }) => {
    const after = runs.slice((runs.length / all) * warmup)
    const begin = after[0]?.ts ?? 0
    return { runs: after, events: events.filter(({ cat, ts }) => cat === 'Node' && ts >= begin) }
  })
  const runs = timed.flatMap(one => one.runs)
  const steps = all - warmup
  const kernels = timed.flatMap(({ events }) => events.filter(event => event.name.endsWith('_kernel_time')))
  const nodeName = (event: TraceEvent): string =>
    `${event.name.slice(0, -'_kernel_time'.length)} (${event.args?.op_name})`
  return {
    steps,
    milliseconds: runs.reduce((sum, { dur }) => sum + dur, 0) / 1000 / steps,
    operations: shares(kernels, event => event.args?.op_name ?? '?', steps),
    layers: layerShares(kernels, steps),
    nodes: shares(kernels, nodeName, steps),
  }
}

function shares(events: readonly TraceEvent[], key: (event: TraceEvent) => string, steps: number): Share[] {
  const sums = new Map<string, { milliseconds: number; count: number }>()
  for (const event of events) {
    const sum = sums.get(key(event)) ?? { milliseconds: 0, count: 0 }
    sums.set(key(event), {
      milliseconds: sum.milliseconds + event.dur / 1000 / steps,
      count: sum.count + 1 / steps,
    })
  }
  return [...sums].map(([name, sum]) => ({ name, ...sum })).sort((a, b) => b.milliseconds - a.milliseconds)
}

const ofGradient = 'gradient of '

/**
 * The layer that a node belongs to, by its name: what comes before the first op, as in `gradient of layer1.0.conv1/conv2d/…#12`.
 * Experts of a layer are counted together. What the engine added has no layer.
 */
export function layerOf(node: string): { readonly name: string; readonly isBackward: boolean } {
  const isBackward = node.startsWith(ofGradient)
  const scoped = isBackward ? node.slice(ofGradient.length) : node
  const [name = ''] = scoped.split(/[/#]/)
  const isOurs = scoped.includes('#') && name !== ''
  return {
    name: isOurs ? name.replace(/\.experts\.\d+/, '.experts.*') : 'reordering by the engine',
    isBackward,
  }
}

function layerShares(events: readonly TraceEvent[], steps: number): LayerShare[] {
  const layers = new Map<string, LayerShare>()
  for (const { name: node, dur } of events) {
    const { name, isBackward } = layerOf(node.slice(0, -'_kernel_time'.length))
    const { forward, backward } = layers.get(name) ?? { forward: 0, backward: 0 }
    const milliseconds = dur / 1000 / steps
    layers.set(name, {
      name,
      forward: forward + (isBackward ? 0 : milliseconds),
      backward: backward + (isBackward ? milliseconds : 0),
    })
  }
  return [...layers.values()].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/** The profile as three tables: every kind of operation, every layer, and the 25 nodes that take most. */
export function describeProfile({
  steps,
  milliseconds,
  operations,
  layers,
  nodes,
  placement,
}: Profile): string {
  const byLayer = new Table({
    head: ['layer', 'forward, ms', 'backward, ms', '%'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  // What shows as 0.0 is left out.
  for (const { name, forward, backward } of layers.filter(one => one.forward + one.backward >= 0.05)) {
    const percent = ((100 * (forward + backward)) / milliseconds).toFixed(1)
    byLayer.push([name, forward.toFixed(1), backward.toFixed(1), percent])
  }
  const table = (title: string, rows: readonly Share[]): string => {
    const view = new Table({
      head: [title, 'ms', '%', 'runs'],
      colAligns: ['left', 'right', 'right', 'right'],
      style: { head: [], border: [], compact: true },
    })
    for (const row of rows) {
      const percent = ((100 * row.milliseconds) / milliseconds).toFixed(1)
      view.push([row.name, row.milliseconds.toFixed(1), percent, row.count.toFixed(0)])
    }
    return view.toString()
  }
  return [
    `${milliseconds.toFixed(0)} ms a step inside ONNX Runtime, mean of ${steps}`,
    table('operation', operations),
    byLayer.toString(),
    table('node', nodes.slice(0, 25)),
    ...(placement === undefined ? [] : [placementText(placement)]),
  ].join('\n')
}
