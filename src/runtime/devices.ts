import { fail, MoietyError } from '../base/errors.ts'
import { askProcess } from './ask-process.ts'
import type { CudaPart } from './cuda-parts.ts'
import { engineFolder } from './onnxruntime.ts'
import type { ProbeReport } from './probe.ts'
import { type ApiInUse, type Device, devices } from './protocol.ts'
import { builtFile } from './thread.ts'

/** Whether programs can run on a device, found by running one. Whether it can train is tested by `probeTraining`. */
export interface DeviceReport {
  readonly device: Device
  readonly usable: boolean
  /** Why it cannot be used, in one sentence. */
  readonly reason?: string
  /** What to do about it. */
  readonly help?: string
}

/** Which devices can be used on this machine. */
export interface DeviceSurvey {
  /** Version of ONNX Runtime, or undefined when its library cannot be loaded. */
  readonly engine: string | undefined
  readonly devices: readonly DeviceReport[]
}

/** A driver that takes longer than this to compute nine numbers is not usable. */
const patience = 60_000

/**
 * Tests every device: a small program is built and run, and its result compared with a known one.
 *
 * @throws MoietyError `usage` when Moiety was not built
 */
export async function availableDevices(): Promise<DeviceSurvey> {
  const probes = await Promise.all(devices.map(device => probeDevice(device)))
  return {
    engine: probes.find(probe => probe.calls !== undefined)?.calls?.version,
    devices: probes.map(probe => probe.report),
  }
}

/**
 * Tests one device in a separate process, whose output is discarded.
 *
 * @throws MoietyError `usage` when Moiety was not built; the reason of `signal`
 */
export async function probeDevice(
  device: Device,
  signal?: AbortSignal,
): Promise<{ readonly calls: ApiInUse | undefined; readonly report: DeviceReport }> {
  const missingEngine = whyNoEngine()
  if (missingEngine !== undefined)
    return { calls: undefined, report: { device, usable: false, ...missingEngine } }
  const reply = await askProcess<ProbeReport>(builtFile('runtime/probe'), [device], { patience, signal })
  const { engine, failure, missing } =
    'answer' in reply ? reply.answer : { ...reply, engine: undefined, missing: [] }
  const report: DeviceReport =
    failure === undefined
      ? { device, usable: true }
      : { device, usable: false, ...explained(device, failure, missing) }
  return { calls: engine, report }
}

function whyNoEngine(): { readonly reason: string; readonly help?: string } | undefined {
  try {
    engineFolder()
    return undefined
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    return { reason: error.message, ...(error.help === undefined ? {} : { help: error.help }) }
  }
}

/** @throws MoietyError `usage` that says why the device cannot be used and what to do */
export function refuseDevice({ device, reason, help }: Omit<DeviceReport, 'usable'>): never {
  return fail({
    kind: 'usage',
    message: `the device "${device}" cannot be used here: ${reason}`,
    where: 'device',
    help: `${help === undefined ? '' : `${help}; `}${otherDevices}`,
  })
}

/** Help for an unusable device. */
export const otherDevices = '"cpu" is always available; "moiety doctor" tests all devices'

/** A helpful form of the engine's message; the original where there is none. */
export function explained(
  device: Device,
  failure: string,
  missing: readonly CudaPart[] = [],
): { readonly reason: string; readonly help?: string } {
  if (device === 'cuda' && process.platform !== 'linux') {
    return { reason: 'ONNX Runtime for Node runs on CUDA on Linux only', help: 'use "cpu" or "webgpu"' }
  }
  if (device === 'cuda' && missing.length > 0) {
    const lacking = missing.map(({ what, libraries }) => `${what} (${libraries.join(', ')})`)
    return {
      reason: `missing ${lacking.length === 1 ? 'is' : 'are'} ${lacking.join('; ')}`,
      help: missing.map(({ help }) => help).join('; '),
    }
  }
  if (device === 'cuda' && /no CUDA-capable device/.test(failure)) {
    return {
      reason: 'CUDA is installed, but finds no graphics card of NVIDIA',
      help: 'look whether nvidia-smi lists one',
    }
  }
  if (device === 'cuda' && /driver version is insufficient/.test(failure)) {
    return { reason: 'the NVIDIA driver is too old for CUDA 12', help: 'install driver 525 or newer' }
  }
  if (device === 'webgpu' && /No supported adapters|Failed to get a WebGPU adapter/.test(failure)) {
    return {
      reason: 'no graphics adapter answers WebGPU (Vulkan, Metal or Direct3D 12)',
      help: 'install the driver of your graphics card; on Linux, libvulkan too',
    }
  }
  return { reason: failure.replace(/\s+/g, ' ').trim() }
}
