import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { OnnxModel, OnnxNode } from '../graph/onnx.ts'
import type { Program } from '../graph/program.ts'
import { withPlainOps } from './plain-ops.ts'
import type { Device } from './protocol.ts'

/**
 * What the processor computes of a program that runs on another device.
 *
 * A fallback is a node that the processor runs although it reads what the device has computed: values are copied to the host and
 * back, and the device waits. What follows from extents, constants and fed integers (labels) alone is not counted: the host has it
 * already. Nor is `NonZero`, which on any device tells the host an extent: how many images an expert gets in sparse dispatch.
 */
export interface Placement {
  /** By op, the most frequent first. */
  readonly fallbacks: readonly { readonly op: string; readonly count: number }[]
  /** How often the host waits for an extent (`NonZero`). */
  readonly extents: number
}

/** One event of ONNX Runtime's profile, which is a Chrome trace: microseconds. */
export interface TraceEvent {
  readonly cat: string
  readonly name: string
  readonly ts: number
  readonly dur: number
  readonly args?: {
    readonly op_name?: string
    readonly provider?: string
    readonly input_type_shape?: readonly Readonly<Record<string, unknown>>[]
    readonly output_type_shape?: readonly Readonly<Record<string, unknown>>[]
  }
}

const ofKernel = '_kernel_time'

/** The events of each profile whose file's path begins with `prefix`: one of a program, and those of what is computed apart from it. */
export async function readTraces(prefix: string): Promise<readonly (readonly TraceEvent[])[]> {
  const folder = dirname(prefix)
  const files = (await readdir(folder)).filter(
    name => name.endsWith('.json') && name.startsWith(basename(prefix)),
  )
  return await Promise.all(files.map(async file => JSON.parse(await readFile(join(folder, file), 'utf8'))))
}

/** Of a program that is there only as a file: all that the processor runs counts. */
const empty: OnnxModel = { name: '', nodes: [], initializers: [], inputs: [], outputs: [] }

/** Where the nodes of a program ran, by the profile of a run. */
export function placementOf(program: Program, device: Device, trace: readonly TraceEvent[]): Placement {
  const { graph = empty } = program
  const loaded = device === 'webgpu' ? withPlainOps(graph) : graph
  const nodes = new Map(loaded.nodes.map(node => [node.name, node]))
  const known = knownToHost(loaded)
  const counts = new Map<string, number>()
  const seen = new Set<string>()
  let extents = 0
  for (const { cat, name, args = {} } of trace) {
    if (cat !== 'Node' || !name.endsWith(ofKernel) || args.provider !== 'CPUExecutionProvider') continue
    if (seen.has(name)) continue
    seen.add(name)
    const node = nodes.get(name.slice(0, -ofKernel.length))
    const op = args.op_name ?? '?'
    if (op === 'NonZero') extents++
    else if (node === undefined ? !isOfExtents(args) : !node.inputs.every(input => known.has(input)))
      counts.set(op, (counts.get(op) ?? 0) + 1)
  }
  const fallbacks = [...counts].map(([op, count]) => ({ op, count })).sort((a, b) => b.count - a.count)
  return { fallbacks, extents }
}

/** Values that the host has without the device: extents, constants, fed integers, and what is computed from these. */
function knownToHost({ nodes, initializers, inputs }: OnnxModel): ReadonlySet<string> {
  const known = new Set([
    // An input that a node leaves out.
    '',
    ...initializers.map(({ name }) => name),
    ...inputs.filter(({ dtype }) => dtype !== 'float32').map(({ name }) => name),
  ])
  const tellsExtents = ({ op }: OnnxNode): boolean => op === 'Shape' || op === 'Size' || op === 'NonZero'
  for (const node of nodes) {
    if (!tellsExtents(node) && !node.inputs.every(name => known.has(name))) continue
    for (const name of node.outputs) known.add(name)
  }
  return known
}

/** Whether a node that the engine added has to do with extents only, which are int64. */
function isOfExtents({
  input_type_shape = [],
  output_type_shape = [],
}: NonNullable<TraceEvent['args']>): boolean {
  return [...input_type_shape, ...output_type_shape].every(one =>
    Object.keys(one).every(type => type === 'int64'),
  )
}

/** A placement in words. */
export function placementText({ fallbacks, extents }: Placement): string {
  const total = fallbacks.reduce((sum, { count }) => sum + count, 0)
  const what = fallbacks.map(({ op, count }) => `${op} ${count}`).join(', ')
  const waits = extents === 0 ? '' : `; the host waits for ${extents} extents (sparse dispatch)`
  return `${total === 0 ? 'no CPU fallbacks' : `${total} CPU fallbacks (${what})`}${waits}`
}
