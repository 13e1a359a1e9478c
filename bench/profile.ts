import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import Table from 'cli-table3'

/** One event of ONNX Runtime's profile, which is a Chrome trace: microseconds. */
interface TraceEvent {
  readonly cat: string
  readonly name: string
  readonly ts: number
  readonly dur: number
  readonly args?: { readonly op_name?: string }
}

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
  readonly nodes: readonly Share[]
}

/** Reads the profile whose file begins with `prefix`, the first `warmup` steps left out. */
export async function readProfile(prefix: string, warmup: number): Promise<Profile> {
  const folder = dirname(prefix)
  const file = (await readdir(folder)).find(
    name => name.endsWith('.json') && join(folder, name).startsWith(prefix),
  )
  if (file === undefined) throw new Error(`ONNX Runtime wrote no profile that begins with ${prefix}`)
  const events: TraceEvent[] = JSON.parse(await readFile(join(folder, file), 'utf8'))
  const runs = events
    .filter(event => event.name === 'model_run')
    .sort((a, b) => a.ts - b.ts)
    .slice(warmup)
  const begin = runs[0]?.ts ?? 0
  const kernels = events.filter(
    event => event.cat === 'Node' && event.name.endsWith('_kernel_time') && event.ts >= begin,
  )
  const nodeName = (event: TraceEvent): string =>
    `${event.name.slice(0, -'_kernel_time'.length)} (${event.args?.op_name})`
  return {
    steps: runs.length,
    milliseconds: runs.reduce((sum, { dur }) => sum + dur, 0) / 1000 / runs.length,
    operations: shares(kernels, event => event.args?.op_name ?? '?', runs.length),
    nodes: shares(kernels, nodeName, runs.length),
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

/** The profile as two tables: every kind of operation, and the 25 nodes that take most. */
export function describeProfile({ steps, milliseconds, operations, nodes }: Profile): string {
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
    table('node', nodes.slice(0, 25)),
  ].join('\n')
}
