import { loadavg } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import Table from 'cli-table3'
import { type NeededPackage, PackageFolder } from './alternative-packages.js'
import { alternativeCases, type Case, cases } from './cases.js'
import { settling } from './compare-sides.js'
import { Side } from './side.js'
import { ratio, type Timing, timing } from './statistics.js'

/**
 * What users of TypeScript would otherwise choose, in turn with ours: the same network with the same values on the same images. What
 * computes something else is not timed, and what is not installed or does not run is in the table with its reason.
 */
export type AlternativeName = 'moiety' | 'onnxruntime-web' | 'tfjs-wasm' | 'tfjs-cpu' | 'tfjs-node' | 'jax-js'

/** Something that runs a case. */
export interface Alternative {
  readonly name: AlternativeName
  readonly title: string
  readonly tasks: readonly Case['task'][]
  readonly needed: readonly NeededPackage[]
  /** What to know before its packages are installed. */
  readonly note?: string
}

const tfjs = { name: '@tensorflow/tfjs', version: '4.22.0' }

/** In the order of the table. */
export const alternatives: readonly Alternative[] = [
  { name: 'moiety', title: 'Moiety (onnxruntime-node)', tasks: ['inference', 'training'], needed: [] },
  {
    name: 'onnxruntime-web',
    title: "Moiety's file, onnxruntime-web",
    tasks: ['inference'],
    needed: [],
  },
  {
    name: 'tfjs-wasm',
    title: 'TensorFlow.js, WebAssembly',
    tasks: ['inference', 'training'],
    needed: [tfjs, { name: '@tensorflow/tfjs-backend-wasm', version: '4.22.0' }],
  },
  { name: 'tfjs-cpu', title: 'TensorFlow.js, JavaScript', tasks: ['training'], needed: [tfjs] },
  {
    name: 'tfjs-node',
    title: 'TensorFlow.js, tfjs-node',
    tasks: ['inference', 'training'],
    needed: [{ name: '@tensorflow/tfjs-node', version: '4.22.0' }],
    note: 'its install step downloads TensorFlow from outside the registry',
  },
  {
    name: 'jax-js',
    title: 'jax-js, WebAssembly',
    tasks: ['training'],
    needed: [{ name: '@jax-js/jax', version: '0.1.25' }],
  },
]

/** One line of the table: how long it took, or why that is not known. */
export interface AlternativeResult {
  readonly name: AlternativeName
  readonly title: string
  /** Names and versions of the packages, where some are needed and there. */
  readonly packages: string
  readonly threads?: number | null
  readonly timing?: Timing
  /** Its median ÷ ours. */
  readonly ratio?: number
  /** The largest distance from our outputs, relative to their range. */
  readonly distance?: number
  readonly peakBytes?: number
  readonly reason?: string
}

export interface AlternativesOfCase {
  readonly name: string
  readonly title: string
  readonly task: Case['task']
  readonly batch: number
  readonly results: readonly AlternativeResult[]
  /** Of the last minute, before and after. */
  readonly loadAverage: readonly [number, number]
}

/** The cases that are asked for: plain networks, as no other library has Moiety's layers. @throws Error for a mixture of experts */
export function chosenAlternatives(names: readonly string[] | undefined): readonly Case[] {
  if (names === undefined) return alternativeCases
  return [...new Set(names)].map(name => {
    const found = [...alternativeCases, ...cases].find(one => one.name === name)
    if (found === undefined || found.moe !== null)
      throw new Error(`--alternatives compares plain networks, and ${name} has experts`)
    return found
  })
}

/** What rounding may change, relative to the range of the outputs: the losses of three steps differ by little. */
export const tolerance = 2e-3

/** @returns the largest distance relative to the range of `ours` @throws Error where it is more than rounding changes */
export function agreement(ours: readonly number[], theirs: readonly number[]): number {
  if (ours.length !== theirs.length)
    throw new Error(`computes something else: ${theirs.length} outputs, ours has ${ours.length}`)
  const distances = ours.map((value, i) => Math.abs(value - theirs[i]!))
  const distance = Math.max(...distances) / (Math.max(...ours) - Math.min(...ours))
  // Not `>`, which a NaN would pass.
  if (!(distance <= tolerance))
    throw new Error(
      `computes something else: its outputs differ from ours by ${distance.toExponential(1)} of their range, more than ${tolerance}`,
    )
  return distance
}

export interface AlternativesOptions {
  readonly packages: string
  readonly rounds: number
  readonly warmup: number
  readonly threads: number
}

/** @param onSide - told of each before it starts */
export async function measureAlternatives(
  chosen: readonly Case[],
  options: AlternativesOptions,
  onSide: (text: string) => void,
): Promise<AlternativesOfCase[]> {
  const measured: AlternativesOfCase[] = []
  for (const timed of chosen) measured.push(await measureCase(timed, options, onSide))
  return measured
}

interface Running {
  readonly alternative: Alternative
  readonly side: Side
  readonly distance: number
  readonly seconds: number[]
}

async function measureCase(
  timed: Case,
  { packages, rounds, warmup, threads }: AlternativesOptions,
  onSide: (text: string) => void,
): Promise<AlternativesOfCase> {
  const before = loadavg()[0]!
  const folder = new PackageFolder(packages)
  const taking = alternatives.filter(({ tasks }) => tasks.includes(timed.task))
  const failures = new Map<AlternativeName, string>()
  let running: Running[] = []
  const started: Side[] = []
  /** The sides that `act` goes well with; ours must be among them. */
  const each = async (act: (one: Running) => Promise<void>): Promise<void> => {
    for (const one of running)
      try {
        await act(one)
      } catch (error) {
        fail(one.alternative.name, error)
      }
    running = running.filter(({ alternative: { name } }) => !failures.has(name))
  }
  const fail = (name: AlternativeName, error: unknown): void => {
    if (name === 'moiety') throw error
    failures.set(name, error instanceof Error ? error.message : String(error))
  }
  try {
    for (const alternative of taking) {
      const { name, title, needed, note } = alternative
      onSide(`${timed.title}, batch ${timed.batch}: ${title}`)
      const lacks = folder.lacks(needed)
      if (lacks !== undefined) {
        failures.set(name, note === undefined ? lacks : `${lacks} (${note})`)
        continue
      }
      try {
        const side = await Side.alternative({ ...timed, alternative: name, packages, threads })
        started.push(side)
        const ours = running[0]?.side ?? side
        const distance = agreement(ours.hello.outputs!, side.hello.outputs!)
        running.push({ alternative, side, distance, seconds: [] })
      } catch (error) {
        fail(name, error)
      }
    }
    for (let i = 0; i < warmup; i++) await each(async ({ side }) => void (await side.time(timed.runs)))
    for (let round = 0; round < rounds; round++)
      await each(async ({ side, seconds }) => {
        await setTimeout(settling)
        seconds.push(await side.time(timed.runs))
      })
  } finally {
    await Promise.all(started.map(side => side.stop()))
  }
  const ours = timing(running[0]!.seconds)
  const results = taking.map(({ name, title, needed }): AlternativeResult => {
    const facts = {
      name,
      title,
      packages: folder.lacks(needed) === undefined ? folder.installed(needed) : '',
    }
    const one = running.find(({ alternative }) => alternative.name === name)
    if (one === undefined) return { ...facts, reason: failures.get(name)! }
    const own = timing(one.seconds)
    const { hello, peakBytes } = one.side
    return {
      ...facts,
      threads: hello.threads,
      timing: own,
      ratio: ratio(ours, own),
      distance: one.distance,
      peakBytes,
    }
  })
  const { name, title, task, batch } = timed
  return { name, title, task, batch, results, loadAverage: [before, loadavg()[0]!] }
}

/** A table a case, with the reasons below it: they may be long. */
export function describeAlternatives(measured: readonly AlternativesOfCase[]): string {
  const texts = measured.map(({ title, task, batch, results, loadAverage }) => {
    const table = new Table({
      head: ['', 'threads', 'time', '÷ ours', 'spread', 'images / s', 'distance', 'memory'],
      colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
      style: { head: [], border: [], compact: true },
    })
    const reasons: string[] = []
    for (const { title, packages, threads, timing, ratio, distance, peakBytes, reason } of results) {
      if (timing === undefined) {
        table.push([title, '–', '–', '–', '–', '–', '–', '–'])
        reasons.push(`${title}${packages === '' ? '' : ` (${packages})`}: ${reason}`)
        continue
      }
      table.push([
        title,
        threads ?? '–',
        `${timing.median.toPrecision(3)} s`,
        `${ratio!.toPrecision(3)}×`,
        `${Math.round(100 * timing.spread)} %`,
        (batch / timing.median).toPrecision(3),
        distance!.toExponential(0),
        `${(peakBytes! / 1e9).toFixed(2)} GB`,
      ])
    }
    const what = task === 'training' ? 'a training step' : 'images to logits'
    const load = loadAverage.map(one => one.toFixed(1)).join(' → ')
    const installed = [...new Set(results.flatMap(({ packages }) => (packages === '' ? [] : [packages])))]
    return [
      `${title}, batch ${batch}: ${what}, load ${load}`,
      table.toString(),
      ...reasons,
      ...(installed.length === 0 ? [] : [`with ${installed.join('; ')}`]),
    ].join('\n')
  })
  return [
    ...texts,
    'Medians; spread = (largest − smallest) ÷ median; distance: of the logits, or the losses of three steps, from ours, relative to their range.',
  ].join('\n\n')
}
