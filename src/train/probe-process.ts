import { devices } from '../runtime/index.ts'
import { tryStep } from './device-probe.ts'

/** A process of its own that takes one training step on a device and reports. What a driver does to a process stays here. */

// The parent process has ended.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
const device = devices.find(name => name === process.argv[2])
if (device !== undefined) {
  const answer = await tryStep(device, { pools: process.argv[3] === 'pools' })
  process.send?.(answer, () => process.exit(0))
}
