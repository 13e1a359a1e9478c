import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { type StemName, stems } from '../models/index.ts'
import { askProcess } from '../runtime/ask-process.ts'
import { otherDevices, probeDevice, refuseDevice } from '../runtime/devices.ts'
import type { ApiInUse, Device } from '../runtime/index.ts'
import { type Placement, placementOf, readTraces } from '../runtime/placement.ts'
import { builtFile } from '../runtime/thread.ts'
import {
  differenceOf,
  exactProbeStep,
  faultOf,
  probeStep,
  type StartEngine,
  type StepDifference,
  takeProbeStep,
} from './probe-step.ts'

/** Whether networks train on a device, found by taking one step of training there. */
export interface TrainingReport {
  readonly device: Device
  /** `absent`: no program runs there; `fails`: programs run, but this step does not, or its results are wrong. */
  readonly outcome: 'trains' | 'fails' | 'absent'
  /** How ONNX Runtime is called, or undefined where its library cannot be loaded. */
  readonly calls: ApiInUse | undefined
  /** Why it does not train, in one sentence. */
  readonly reason?: string
  /** What to do about it. */
  readonly help?: string
  /** From the same step on the processor; of the processor itself, from float64. Only where it trains. */
  readonly difference?: StepDifference
  /** Of start, compilation and the step on the device. Only where it trains. */
  readonly seconds?: number
  /** What the processor computes of the step. Only of another device, where it trains. */
  readonly placement?: Placement
}

/** What is tried, and for how long. */
export interface TrainingProbeOptions {
  /** Whether the stem of the network ends in a max-pool; false by default. */
  readonly pools?: boolean
  readonly signal?: AbortSignal | undefined
  /** How long the step may take, in milliseconds. */
  readonly patience?: number
  /** What the process runs that takes the step; another one in tests. */
  readonly program?: URL
}

/** SwiftShader, which is no graphics card but a processor, needs seconds; a driver that compiles on a busy machine may need more. */
const patience = 120_000

/**
 * Tries whether networks train on a device: one step of a small mixture of experts, with BatchNorm, in the program, the engine and the
 * session that trainings have there. Loss and new state are compared with those of the same step on the processor; on the
 * processor itself, with float64. It happens in a process of its own, so a driver that crashes or hangs is reported.
 *
 * @throws MoietyError `usage` when Moiety was not built; the reason of `signal`
 */
export async function probeTraining(
  device: Device,
  options: TrainingProbeOptions = {},
): Promise<TrainingReport> {
  const { signal, program = builtFile('train/probe-process') } = options
  const { calls, report } = await probeDevice(device, signal)
  if (!report.usable) {
    const { usable: _, ...why } = report
    return { ...why, calls, outcome: 'absent' }
  }
  const words = [device, ...(options.pools === true ? ['pools'] : [])]
  const reply = await askProcess<StepReport>(program, words, {
    patience: options.patience ?? patience,
    signal,
  })
  const came = 'answer' in reply ? reply.answer : { reason: `one step of training: ${reply.failure}` }
  return 'reason' in came
    ? { device, calls, outcome: 'fails', reason: came.reason }
    : { device, calls, outcome: 'trains', ...came }
}

/** What the process sends: how far the results are from what is right, or why they are not. */
export type StepReport =
  | { readonly difference: StepDifference; readonly seconds: number; readonly placement?: Placement }
  | { readonly reason: string }

/**
 * Takes the step in this process. The device is known to be there.
 *
 * @param start - starts an engine; another one in tests
 */
export async function tryStep(
  device: Device,
  { pools, start }: { readonly pools: boolean; readonly start?: StartEngine },
): Promise<StepReport> {
  const probe = probeStep(pools)
  const [reference, expected] =
    device === 'cpu'
      ? (['float64', exactProbeStep(probe)] as const)
      : (['the CPU', await takeProbeStep('cpu', probe)] as const)
  const folder = mkdtempSync(join(tmpdir(), 'moiety-probe-'))
  try {
    const profile = device === 'cpu' ? undefined : join(folder, 'step')
    const started = performance.now()
    const difference = differenceOf(await takeProbeStep(device, probe, start, profile), expected)
    const seconds = (performance.now() - started) / 1000
    const reason = faultOf(device, difference, reference)
    if (reason !== undefined) return { reason }
    const [trace] = profile === undefined ? [] : await readTraces(profile)
    if (trace === undefined) return { difference, seconds }
    return { difference, seconds, placement: placementOf(probe.step.program, device, trace) }
  } catch (error) {
    return { reason: sentenceOf(error) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What the device says, without what the engine says of every program. */
function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const said = text
    .replace(/^the engine (could not run|does not accept) the program: /, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '')
  return error instanceof MoietyError && error.where !== undefined ? `${said}, at ${error.where}` : said
}

/** Where networks are trained, as a configuration has it. */
export interface TrainedWhere {
  readonly engine: { readonly device: Device }
  readonly model: { readonly stem: StemName }
}

/**
 * Refuses configurations whose device does not train, before anything is read or written for them. The processor is not tried. Each
 * device is tried once, for each kind of stem.
 *
 * @param onProbe - called before a device is tried, which takes seconds
 * @param tried - what an earlier call on this machine returned; not tried again
 * @param probe - another one in tests
 * @returns what was tried now or before: devices with a kind of stem
 * @throws MoietyError `usage` that gives the device's own reason; the reason of `signal`
 */
export async function requireTraining(
  configs: readonly TrainedWhere[],
  {
    onProbe,
    signal,
    tried = [],
  }: {
    readonly signal?: AbortSignal | undefined
    readonly onProbe?: (device: Device) => void
    readonly tried?: readonly string[]
  } = {},
  probe: typeof probeTraining = probeTraining,
): Promise<readonly string[]> {
  const kinds = new Map<string, { readonly device: Device; readonly pools: boolean }>()
  for (const { engine, model } of configs) {
    const { device } = engine
    const { pools } = stems[model.stem]
    const kind = pools ? `${device}+pools` : device
    if (device !== 'cpu' && !tried.includes(kind)) kinds.set(kind, { device, pools })
  }
  for (const { device, pools } of kinds.values()) {
    onProbe?.(device)
    const { outcome, reason = 'it gives no reason', help } = await probe(device, { signal, pools })
    if (outcome === 'absent') refuseDevice({ device, reason, ...(help === undefined ? {} : { help }) })
    if (outcome === 'fails')
      fail({
        kind: 'usage',
        message: `the device "${device}" computes here, but does not train this network: ${reason}`,
        where: 'engine.device',
        help: otherDevices,
      })
  }
  return [...tried, ...kinds.keys()]
}
