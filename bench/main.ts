import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Table from 'cli-table3'
import { Command, InvalidArgumentError, Option } from 'commander'
import { engineVersion } from 'moiety/runtime'
import { type Case, cases } from './cases.js'
import { describeCurve, measureCurve } from './curve.js'
import { describeDetections, measureDetections } from './detections.js'
import { Ours } from './ours.js'
import { describeProfile, type Profile, readProfile } from './profile.js'
import { Side } from './side.js'
import { ratio, type Timing, timing } from './statistics.js'

/**
 * Times our training step and, where a Python with torch is given, PyTorch's: the same network, batch and threads,
 * both warmed up, then one step of each in turn, so that what slows the machine for a while slows both.
 */

/** Milliseconds between two turns: threads of the side before still spin for a while, on the cores of the next. */
const settling = 300

interface Options {
  readonly python?: string
  readonly json?: true
  readonly case?: readonly string[]
  readonly profile?: true
  readonly curve?: true
  readonly detections?: true
  readonly rounds: number
  readonly warmup: number
  readonly threads: number
  readonly replicas: number
}

/** What one case brought. Times are medians in seconds; a ratio above 1 says that we are faster. */
interface Result {
  readonly name: string
  readonly title: string
  readonly ours: number
  /** PyTorch in its default memory format. */
  readonly peer: number | null
  readonly ratio: number | null
  readonly peerChannelsLast: number | null
  readonly ratioChannelsLast: number | null
  readonly parameters: number
  /** Most memory that each side's process had, in bytes; PyTorch's of its default memory format. */
  readonly peakBytes: { readonly ours: number; readonly peer: number | null }
  readonly timings: {
    readonly ours: Timing
    readonly peer: Timing | null
    readonly peerChannelsLast: Timing | null
  }
  readonly loadAverage: number
  readonly torch: string | null
}

async function measure(timed: Case, options: Options): Promise<Result> {
  const { python, threads, replicas } = options
  const ours = await Side.ours(timed, threads, replicas)
  const peers: Side[] = []
  try {
    if (python !== undefined) {
      for (const channelsLast of [false, true])
        peers.push(await Side.peer(python, timed, threads, channelsLast))
    }
    for (const { hello } of peers) {
      if (hello.parameters !== ours.hello.parameters) {
        throw new Error(
          `${timed.name}: ${ours.hello.parameters} parameters here, ${hello.parameters} in PyTorch`,
        )
      }
    }
    const sides = [ours, ...peers]
    for (const side of sides) for (let i = 0; i < options.warmup; i++) await side.time(timed.runs)
    const seconds: number[][] = sides.map(() => [])
    for (let round = 0; round < options.rounds; round++) {
      for (const [i, side] of sides.entries()) {
        await setTimeout(settling)
        seconds[i]!.push(await side.time(timed.runs))
      }
    }
    const [own, plain, channelsLast] = seconds
    const timings = {
      ours: timing(own!),
      peer: plain === undefined ? null : timing(plain),
      peerChannelsLast: channelsLast === undefined ? null : timing(channelsLast),
    }
    return {
      name: timed.name,
      title: timed.title,
      ours: timings.ours.median,
      peer: timings.peer?.median ?? null,
      ratio: plain === undefined ? null : ratio(own!, plain),
      peerChannelsLast: timings.peerChannelsLast?.median ?? null,
      ratioChannelsLast: channelsLast === undefined ? null : ratio(own!, channelsLast),
      parameters: ours.hello.parameters,
      peakBytes: { ours: ours.peakBytes, peer: peers[0]?.peakBytes ?? null },
      timings,
      loadAverage: loadavg()[0]!,
      torch: peers[0]?.hello.torch ?? null,
    }
  } finally {
    await Promise.all([ours, ...peers].map(side => side.stop()))
  }
}

async function profile(timed: Case, options: Options): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), 'moiety-profile-'))
  try {
    const ours = await Ours.prepare(timed, { threads: options.threads, profile: join(folder, 'step') })
    for (let i = 0; i < options.warmup + options.rounds; i++) await ours.time()
    await ours.stop()
    return await readProfile(join(folder, 'step'), options.warmup)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function describe(results: readonly Result[]): string {
  const table = new Table({
    head: ['case', 'batch', 'ours', 'PyTorch', 'ratio', 'channels_last', 'ratio', 'spread', 'memory', 'load'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const result of results) {
    const { timings } = result
    const spreads = [timings.ours, timings.peer, timings.peerChannelsLast].map(side =>
      side === null ? '–' : `${Math.round(100 * side.spread)} %`,
    )
    table.push([
      result.title,
      cases.find(({ name }) => name === result.name)?.batch ?? '',
      inSeconds(result.ours),
      inSeconds(result.peer),
      asRatio(result.ratio),
      inSeconds(result.peerChannelsLast),
      asRatio(result.ratioChannelsLast),
      spreads.join(' / '),
      [result.peakBytes.ours, result.peakBytes.peer].map(inGigabytes).join(' / '),
      result.loadAverage.toFixed(1),
    ])
  }
  return table.toString()
}

const inSeconds = (seconds: number | null): string =>
  seconds === null ? '–' : `${seconds.toFixed(seconds < 0.1 ? 4 : 3)} s`
const inGigabytes = (bytes: number | null): string =>
  bytes === null ? '–' : `${(bytes / 1e9).toFixed(2)} GB`
const asRatio = (value: number | null): string => (value === null ? '–' : `${value.toFixed(2)}×`)

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a positive whole number')
  return value
}

async function main(): Promise<void> {
  const command = new Command('bench')
    .description('Times training steps and exported networks, alone or in turn with PyTorch.')
    .option('--python <path>', 'a Python that has torch, to compare with')
    .addOption(new Option('--case <name...>', 'the cases to time').choices(cases.map(({ name }) => name)))
    .option('--rounds <count>', 'turns of each side that are timed', positive, 7)
    .option('--warmup <count>', 'turns of each side before that', positive, 2)
    .option('--threads <count>', 'threads of each side', positive, availableParallelism())
    .option(
      '--replicas <count>',
      'divide our batch into so many parts, as training.replicas does',
      positive,
      1,
    )
    .option('--json', 'print the results as JSON')
    .option('--profile', 'print the time of each operation of our step instead')
    .option('--curve', 'print how the time of our step grows with experts, K, batch and threads instead')
    .option(
      '--detections',
      'time the evaluation of detections instead, in turn with pycocotools where --python has it',
    )
    .parse()
  const options = command.opts<Options>()
  const chosen = cases.filter(({ name }) => options.case?.includes(name) ?? true)
  const trained = chosen.filter(({ task }) => task === 'training')
  if (trained.length === 0 && (options.profile === true || options.curve === true))
    throw new Error(
      `--profile and --curve look at training steps, and ${options.case?.join(', ')} is an exported network`,
    )

  if (options.replicas > 1 && (options.profile ?? options.curve ?? options.detections) !== undefined)
    throw new Error(
      '--replicas goes with training steps that are timed, not with --profile, --curve or --detections',
    )
  if (options.replicas > 1 && trained.length < chosen.length)
    throw new Error('--replicas is about training steps; name them with --case')

  if (options.detections === true) {
    const measured = measureDetections(options)
    console.log(options.json === true ? JSON.stringify(measured) : describeDetections(measured))
    return
  }

  if (options.profile === true) {
    const profiles = []
    for (const timed of trained) profiles.push({ name: timed.name, ...(await profile(timed, options)) })
    if (options.json === true) console.log(JSON.stringify({ profiles }))
    else for (const one of profiles) console.log(`\n${one.name}: ${describeProfile(one)}`)
    return
  }

  if (options.curve === true) {
    const [name = 'resblock-e4-p4', ...more] = options.case === undefined ? [] : trained.map(one => one.name)
    if (more.length > 0) throw new Error('--curve takes one --case')
    const base = cases.find(one => one.name === name)!
    const curve = await measureCurve(base, options, point => console.error(`${base.title}: ${point} …`))
    if (options.json === true) console.log(JSON.stringify({ case: base.name, curve }))
    else console.log(describeCurve(curve, base))
    return
  }

  const results: Result[] = []
  for (const timed of chosen) {
    console.error(`${timed.title} …`)
    results.push(await measure(timed, options))
  }
  const environment = {
    onnxruntime: engineVersion,
    torch: results[0]?.torch ?? null,
    node: process.versions.node,
    processor: cpus()[0]?.model ?? 'unknown',
    threads: options.threads,
    replicas: options.replicas,
    loadAverage: loadavg(),
  }
  if (options.json === true) {
    console.log(JSON.stringify({ environment, cases: results }))
    return
  }
  console.log(describe(results))
  console.log(
    `Medians of ${options.rounds}; ratio = PyTorch ÷ ours, median over rounds; spread = (largest − smallest) ÷ median;\n` +
      'memory: the most that the process of ours / PyTorch had.\n' +
      `ONNX Runtime ${environment.onnxruntime}, PyTorch ${environment.torch ?? 'not compared'}, Node ${environment.node}, ` +
      `${environment.processor}, ${environment.threads} threads${environment.replicas === 1 ? '' : `, our batch in ${environment.replicas} parts`}, load ${environment.loadAverage.map(load => load.toFixed(1)).join(' ')}`,
  )
}

await main()
