import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Device, placementOf, readTraces } from 'moiety/runtime'
import { type Case, cases } from './cases.js'
import { commandLine } from './command-line.js'
import { type ComparisonOptions, describeComparison, measure, type Result } from './compare-sides.js'
import { describeCurve, measureCurve } from './curve.js'
import { describeDetections, measureDetections } from './detection-evaluation.js'
import { describeEnvironment, environmentOf } from './machine.js'
import { Ours } from './moiety-program.js'
import { describeProfile, type Profile, readProfile } from './profile.js'
import { describeDrifts, measureDrifts } from './rounding-drift.js'
import { describeSameValues, measureSameValues } from './same-values.js'

/** The command line of the bench. */
interface Options extends ComparisonOptions {
  readonly json?: true
  readonly case?: readonly string[]
  readonly profile?: true
  readonly device: Device
  readonly curve?: true
  readonly detections?: true
  readonly drift?: true
  readonly sameValues?: true
  readonly steps: number
  readonly data?: string
  readonly seeds: number
}

async function profile(timed: Case, options: Options): Promise<Profile> {
  const folder = await mkdtemp(join(tmpdir(), 'moiety-profile-'))
  try {
    const { threads, device } = options
    const prefix = join(folder, 'step')
    const ours = await Ours.prepare(timed, { threads, device, profile: prefix })
    for (let i = 0; i < options.warmup + options.rounds; i++) await ours.time()
    await ours.stop()
    const profile = await readProfile(prefix, options.warmup)
    const [trace] = await readTraces(prefix)
    return device === 'cpu' || ours.program === undefined || trace === undefined
      ? profile
      : { ...profile, placement: placementOf(ours.program, device, trace) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function main(): Promise<void> {
  const command = commandLine().parse()
  const options = command.opts<Options>()
  const chosen = cases.filter(({ name }) => options.case?.includes(name) ?? true)
  const trained = chosen.filter(({ task }) => task === 'training')
  if (trained.length === 0 && (options.profile === true || options.curve === true))
    throw new Error(
      `--profile and --curve look at training steps, and ${options.case?.join(', ')} is an exported network`,
    )

  if (options.device !== 'cpu' && options.profile !== true) throw new Error('--device goes with --profile')

  if (
    options.replicas > 1 &&
    (options.profile ?? options.curve ?? options.detections ?? options.drift ?? options.sameValues) !==
      undefined
  )
    throw new Error(
      '--replicas goes with training steps that are timed, not with --profile, --curve, --detections, --drift or --same-values',
    )
  if (options.replicas > 1 && trained.length < chosen.length)
    throw new Error('--replicas is about training steps; name them with --case')

  if (options.drift === true) {
    const measured = await measureDrifts(options, text => console.error(`${text} …`))
    console.log(options.json === true ? JSON.stringify(measured) : describeDrifts(measured))
    return
  }

  if (options.sameValues === true) {
    const { python } = options
    if (python === undefined)
      throw new Error('--same-values compares with PyTorch: give --python PATH, a Python that has torch')
    const measured = await measureSameValues({ ...options, python }, text => console.error(`${text} …`))
    console.log(options.json === true ? JSON.stringify(measured) : describeSameValues(measured))
    return
  }

  if (options.detections === true) {
    const measured = measureDetections(options)
    console.log(options.json === true ? JSON.stringify(measured) : describeDetections(measured))
    return
  }

  const environment = environmentOf(options)
  const alone = { ...environment, torch: null }
  if (options.profile === true) {
    const profiles: ({ readonly name: string } & Profile)[] = []
    for (const timed of trained) profiles.push({ name: timed.name, ...(await profile(timed, options)) })
    if (options.json === true) console.log(JSON.stringify({ environment: alone, profiles }))
    else for (const one of profiles) console.log(`\n${one.name}: ${describeProfile(one)}`)
    if (options.json !== true) console.log(describeEnvironment(alone))
    return
  }

  if (options.curve === true) {
    const [name = 'resblock-e4-p4', ...more] = options.case === undefined ? [] : trained.map(one => one.name)
    if (more.length > 0) throw new Error('--curve takes one --case')
    const base = cases.find(one => one.name === name)!
    const curve = await measureCurve(base, options, point => console.error(`${base.title}: ${point} …`))
    if (options.json === true) console.log(JSON.stringify({ environment: alone, case: base.name, curve }))
    else console.log(`${describeCurve(curve, base)}\n${describeEnvironment(alone)}`)
    return
  }

  const results: Result[] = []
  for (const timed of chosen) {
    console.error(`${timed.title} …`)
    results.push(await measure(timed, options))
  }
  const whole = { ...environment, torch: results[0]?.torch ?? null }
  if (options.json === true) console.log(JSON.stringify({ environment: whole, cases: results }))
  else console.log(`${describeComparison(results)}\n${options.rounds} rounds; ${describeEnvironment(whole)}`)
}

await main()
