import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import { exitCodes } from '../base/errors.ts'
import { availableDevices } from '../runtime/index.ts'
import { probeEngine } from './doctor-probe.ts'
import { print, printJson } from './output.ts'
import { bytes, clean, type Paint, painter, wrap } from './screen.ts'

/** One thing looked at: fine, worth knowing, or in the way of training. */
interface Finding {
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
  const findings = [node(), cores(), memory(), await disk(), ...(await engine()), await network()]
  const works = findings.every(({ state }) => state !== 'wrong')
  if (json) printJson({ works, findings })
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

async function engine(): Promise<Finding[]> {
  const { engine, devices } = await availableDevices()
  const library: Finding = {
    what: 'Engine',
    state: engine === undefined ? 'wrong' : 'fine',
    value: engine === undefined ? 'its library cannot be loaded' : `ONNX Runtime ${engine}`,
    help: engine === undefined ? 'install again with `npm ci`; see the reason at cpu' : undefined,
  }
  const reports = devices.map(({ device, usable, reason, help }): Finding => {
    // Training needs the processor; other devices are a matter of choice.
    const state = usable ? 'fine' : device === 'cpu' ? 'wrong' : 'note'
    return {
      what: device,
      state,
      value: usable ? 'computes right' : `not here: ${clean(reason ?? 'unknown reason')}`,
      help,
    }
  })
  return [library, ...reports]
}

async function network(): Promise<Finding> {
  const what = 'Probe network'
  try {
    const { error, seconds } = await probeEngine()
    const fine = error < 1e-5
    return {
      what,
      state: fine ? 'fine' : 'wrong',
      value: `${fine ? 'right' : 'WRONG'}: forward and gradient within ${error.toExponential(0)} of float64, ${Math.round(1000 * seconds)} ms`,
      help: fine
        ? undefined
        : 'the engine computes wrong numbers on this machine; please report it with this output',
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { what, state: 'wrong', value: `did not run: ${clean(reason)}` }
  }
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
