import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Device } from 'moiety/runtime'
import { type Case, cases } from './cases.js'
import { commandLine } from './gpu-command-line.js'
import { environmentOf } from './machine.js'
import { type DeviceSide, Side } from './side.js'
import { type Timing, timing } from './statistics.js'

/**
 * `npm run bench:gpu`: training steps on a graphics card, Moiety's on WebGPU and CUDA and, where a Python with torch is given,
 * PyTorch's in float32 and TF32. All sides of a case are warmed up, then one turn of each follows the other, so that what slows
 * the machine for a while slows all.
 */

interface Options {
  readonly device: readonly Device[]
  readonly dispatch: readonly DeviceSide['dispatch'][]
  readonly batch: readonly number[]
  readonly python?: string
  readonly rounds: number
  readonly warmup: number
  readonly limit: number
  readonly threads: number
  readonly out?: string
  readonly smoke?: true
}

/** One side of a case: its times, or why there are none. */
interface SideTimes {
  readonly side: string
  readonly timing: Timing | null
  readonly failure: string | null
}

interface GpuResult {
  readonly name: string
  readonly title: string
  readonly batch: number
  readonly sides: readonly SideTimes[]
}

/** ResNet-18, and with a mixture of 4 and of 10 experts in its last stage. */
function timedCases({ batch, smoke }: Options): Case[] {
  const names = ['dense', 'resblock-e4-p4', 'resblock-e10-p4']
  // Maps of the last stage have 2 × 2 positions: PyTorch's BatchNorm refuses an expert with one image of one position.
  const tiny = smoke === true ? { width: 4, size: 16 } : {}
  return batch.flatMap(images =>
    cases.filter(({ name }) => names.includes(name)).map(timed => ({ ...timed, ...tiny, batch: images })),
  )
}

/** How each side of a case is started, by its name. */
function startersOf(timed: Case, options: Options): Map<string, () => Promise<Side>> {
  const { device, dispatch, threads, python } = options
  const ours = device.flatMap(own =>
    // Without a mixture there is nothing to dispatch.
    (timed.moe === null ? (['sparse'] as const) : dispatch).map(
      by =>
        [
          timed.moe === null ? `Moiety ${own}` : `Moiety ${own}, ${by}`,
          () => Side.onDevice(timed, { device: own, dispatch: by, threads }),
        ] as const,
    ),
  )
  const peers =
    python === undefined
      ? []
      : [false, true].map(
          tf32 =>
            [
              `PyTorch ${tf32 ? 'TF32' : 'float32'}`,
              () => Side.peerOnDevice(python, timed, threads, tf32),
            ] as const,
        )
  return new Map<string, () => Promise<Side>>([...ours, ...peers])
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Times the sides of a case in turn. One that fails is left out from then on. */
async function measured(timed: Case, options: Options, onDevice: (name: string) => void): Promise<GpuResult> {
  const sides = new Map<string, Side>()
  const failures = new Map<string, string>()
  const seconds = new Map<string, number[]>()
  const attempt = async (name: string, what: () => Promise<void>): Promise<void> => {
    try {
      await what()
    } catch (error) {
      failures.set(name, reasonOf(error))
      const side = sides.get(name)
      sides.delete(name)
      await side?.stop()
    }
  }
  const starters = startersOf(timed, options)
  for (const [name, start] of starters)
    await attempt(name, async () => {
      const side = await start()
      sides.set(name, side)
      if (side.hello.device !== undefined) onDevice(`PyTorch ${side.hello.torch} on ${side.hello.device}`)
      await side.time(options.warmup)
      seconds.set(name, [])
    })
  for (let round = 0; round < options.rounds; round++)
    for (const [name, side] of [...sides])
      await attempt(name, async () => {
        seconds.get(name)!.push(await side.time(1))
      })
  await Promise.all([...sides.values()].map(side => side.stop()))
  const { name, title, batch } = timed
  return {
    ...{ name, title, batch },
    sides: [...starters.keys()].map(side => {
      const failure = failures.get(side) ?? null
      return { side, failure, timing: failure === null ? timing(seconds.get(side)!) : null }
    }),
  }
}

/** Name and driver of the graphics cards, where NVIDIA's tool is there. */
function graphicsCards(): string[] | undefined {
  try {
    const asked = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']
    return execFileSync('nvidia-smi', asked, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter(line => line.trim() !== '')
  } catch {
    return undefined
  }
}

/** Everything that was measured. */
export interface GpuReport {
  readonly environment: Readonly<Record<string, unknown>>
  readonly results: readonly GpuResult[]
  /** Cases for which there was no time left. */
  readonly skipped: readonly string[]
}

/** As Markdown: medians in milliseconds, spreads, and how many times faster than PyTorch in float32 each side is. */
export function markdownOf({ environment, results, skipped }: GpuReport): string {
  const milliseconds = (seconds: number): string => (seconds * 1000).toPrecision(3)
  const rows = results.flatMap(({ title, batch, sides }) => {
    const peer = sides.find(({ side }) => side === 'PyTorch float32')?.timing ?? null
    return sides.map(({ side, timing: times, failure }) => {
      const [median, spread, images, ratio] =
        times === null
          ? [failure ?? '', '', '', '']
          : [
              `${milliseconds(times.median)} ms`,
              `${(times.spread * 100).toFixed(0)} %`,
              (batch / times.median).toPrecision(3),
              peer === null ? '' : (peer.median / times.median).toPrecision(3),
            ]
      return `| ${[title, batch, side, median, spread, images, ratio].map(cell => String(cell).replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`
    })
  })
  return [
    '| network | batch | side | step, median | spread | images/s | PyTorch float32 ÷ it |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...(skipped.length === 0 ? [] : [`No time was left for ${skipped.join(', ')}.`, '']),
    ...Object.entries(environment).map(([key, value]) => `- ${key}: ${[value].flat().join(', ')}`),
    '',
  ].join('\n')
}

export async function main(words: readonly string[]): Promise<void> {
  const given = commandLine().parse(words, { from: 'user' }).opts<Partial<Options> & Options>()
  const smoke = given.smoke === true
  const options: Options = {
    ...given,
    device: given.device ?? (smoke ? ['webgpu'] : ['webgpu', 'cuda']),
    batch: given.batch ?? (smoke ? [32] : [128, 512]),
    ...(smoke ? { rounds: 2, warmup: 1 } : {}),
  }
  const began = performance.now()
  const { onnxruntime, node, processor, threads, loadAverage } = environmentOf({ ...options, replicas: 1 })
  const peers = new Set<string>()
  const results: GpuResult[] = []
  const skipped: string[] = []
  for (const timed of timedCases(options)) {
    const name = `${timed.title} at batch ${timed.batch}`
    if ((performance.now() - began) / 1000 > options.limit) {
      skipped.push(name)
      continue
    }
    console.error(`${name} …`)
    results.push(await measured(timed, options, peer => peers.add(peer)))
  }
  const report: GpuReport = {
    environment: {
      'graphics cards': graphicsCards() ?? 'not known: no nvidia-smi',
      'ONNX Runtime': onnxruntime,
      ...(peers.size === 0 ? {} : { PyTorch: [...peers] }),
      Node: node,
      processor,
      threads,
      'load at the beginning': loadAverage.map(load => load.toFixed(1)),
      rounds: options.rounds,
      'warm-up': options.warmup,
      seconds: Math.round((performance.now() - began) / 1000),
      ...(smoke ? { sizes: 'tiny: these times say nothing about a graphics card' } : {}),
    },
    results,
    skipped,
  }
  const markdown = markdownOf(report)
  console.log(markdown)
  if (options.out === undefined) return
  await mkdir(options.out, { recursive: true })
  await writeFile(join(options.out, 'gpu.json'), `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(join(options.out, 'gpu.md'), markdown)
}

if (process.argv[1]?.endsWith('gpu.js')) await main(process.argv.slice(2))
