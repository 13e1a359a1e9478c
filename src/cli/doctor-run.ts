import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { exitCodes } from '../base/errors.ts'
import { type ApiInUse, type Device, devices } from '../runtime/index.ts'
import { placementText } from '../runtime/placement.ts'
import { wantedApi } from '../runtime/sessions.ts'
import { probeTraining, type TrainingReport } from '../train/device-probe.ts'
import { print, printJson } from './output.ts'
import { bytes, clean, type Paint, painter, wrap } from './screen.ts'

/** One check: fine, a note, or something that prevents training. */
export interface Finding {
  readonly what: string
  readonly state: 'fine' | 'note' | 'wrong'
  readonly value: string
  readonly help?: string | undefined
}

/** What a training at the paper's setting needs, about. */
const enoughMemory = 2 * 1024 ** 3
const enoughDisk = 1024 ** 3
const oldestNode = [20, 19] as const

/** `moiety doctor`; returns the exit code: 0 when training works here. */
export async function runDoctor(json: boolean): Promise<number> {
  // Refused here, and not by the process of each device, whose reason would be lost.
  wantedApi()
  const trials = await Promise.all(devices.map(tryDevice))
  const tried = trials.map(({ plain }) => plain)
  const findings = [
    ...[node(), cores(), memory(), await disk(), engineFinding(tried)],
    ...trials.map(deviceFinding),
  ]
  const works = findings.every(({ state }) => state !== 'wrong')
  if (json) printJson({ works, findings, calls: tried[0]?.calls ?? null, devices: trials.map(forJson) })
  else print(report(findings, works, painter(process.stdout)))
  return works ? 0 : exitCodes.usage
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const fine = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
  return {
    what: 'Node',
    state: fine ? 'fine' : 'wrong',
    value: `${process.versions.node} on ${process.platform} ${process.arch}`,
    help: fine ? undefined : `install Node ${oldestNode.join('.')} or newer`,
  }
}

function cores(): Finding {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const usable = availableParallelism()
  return { what: 'Cores', state: 'fine', value: `${usable} (${clean(model)})` }
}

function memory(): Finding {
  const limit = process.constrainedMemory()
  const all = limit > 0 && limit < totalmem() ? limit : totalmem()
  const fine = all >= enoughMemory
  return {
    what: 'Memory',
    state: fine ? 'fine' : 'note',
    value: `${bytes(all)}, ${bytes(Math.min(all, freemem()))} free`,
    help: fine ? undefined : 'small networks and batches will do; lower training.batch',
  }
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs('.')
  const free = bavail * bsize
  return {
    what: 'Disk',
    state: free >= enoughDisk ? 'fine' : 'note',
    value: `${bytes(free)} free in this folder`,
    help:
      free >= enoughDisk ? undefined : 'checkpoints of a ResNet-18 with 10 experts take half a gigabyte each',
  }
}

/** A device as scripts read it: where one network trains and the other does not, `pooling` says why. */
function forJson({ plain: { calls: _, ...plain }, pooling }: DeviceTrials): object {
  if (pooling === undefined) return plain
  const { device: _device, calls: _calls, ...rest } = pooling
  return { ...plain, pooling: rest }
}

/** What was tried on a device: the step of a network, and where that one trains, of one with a pooling stem. */
interface DeviceTrials {
  readonly plain: TrainingReport
  readonly pooling: TrainingReport | undefined
}

async function tryDevice(device: Device): Promise<DeviceTrials> {
  const plain = await probeTraining(device)
  return {
    plain,
    pooling: plain.outcome === 'trains' ? await probeTraining(device, { pools: true }) : undefined,
  }
}

function engineFinding(devices: readonly TrainingReport[]): Finding {
  const calls = devices.find(report => report.calls !== undefined)?.calls
  if (calls === undefined)
    return {
      what: 'Engine',
      state: 'wrong',
      value: 'its library cannot be loaded',
      help: 'see the reason at cpu',
    }
  return { what: 'Engine', state: 'fine', value: callsText(calls) }
}

/** How ONNX Runtime is called, and why not by its C API. */
export function callsText({ api, version, reason }: ApiInUse): string {
  const how =
    api === 'c'
      ? 'called by its C API'
      : `called by its binding for Node, not its C API${reason === undefined ? '' : `: ${clean(reason)}`}`
  return `ONNX Runtime ${version}, ${how}`
}

/** What is said of a device. */
export function deviceFinding({ plain, pooling }: DeviceTrials): Finding {
  const { device, outcome } = plain
  const failed = outcome === 'trains' && pooling?.outcome !== 'trains' ? pooling : undefined
  const isFine = outcome === 'trains' && failed === undefined
  return {
    what: device,
    // Training needs the processor; other devices are a matter of choice.
    state: isFine ? 'fine' : device === 'cpu' ? 'wrong' : 'note',
    value:
      failed === undefined
        ? saidOf(plain)
        : `${saidOf(plain)}, but not with model.stem=imagenet: ${reasonOf(failed)}`,
    help: isFine
      ? undefined
      : (plain.help ??
        (device === 'cpu' ? 'please report it with this output' : 'use --device cpu for training')),
  }
}

function saidOf({ device, outcome, difference, seconds = 0, placement, ...report }: TrainingReport): string {
  if (outcome === 'absent') return `not here: ${reasonOf(report)}`
  if (difference === undefined) return `computes, but does not train: ${reasonOf(report)}`
  const reference = device === 'cpu' ? 'float64' : 'the CPU'
  const where = placement === undefined ? '' : `; ${placementText(placement)}`
  return `trains: a step is within ${difference.state.toExponential(0)} of ${reference}, ${Math.round(1000 * seconds)} ms${where}`
}

function reasonOf({ reason }: Pick<TrainingReport, 'reason'>): string {
  return clean(reason ?? 'unknown reason')
}

function report(findings: readonly Finding[], works: boolean, paint: Paint): string {
  const width = Math.max(...findings.map(({ what }) => what.length))
  const marks = { fine: paint.good('✓'), note: paint.warn('–'), wrong: paint.bad('✗') }
  const lines = findings.map(({ what, state, value, help }) => {
    const indent = ' '.repeat(width + 6)
    const story = wrap(help === undefined ? value : `${value}; ${help}`, indent).trimStart()
    return `  ${marks[state]} ${paint.bold(what.padEnd(width))}  ${story}`
  })
  const end = works
    ? paint.good('Training works on this machine.')
    : paint.bad('Training does not work here yet.')
  return [...lines, '', end].join('\n')
}
