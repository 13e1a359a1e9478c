import { fail } from '../base/errors.ts'
import { type Device, devices } from '../runtime/index.ts'

/** The device that `--device` names, if it is given. @throws MoietyError `usage` for another word */
export function deviceChoice(device: string | undefined): Device | undefined {
  if (device === undefined) return undefined
  return (
    devices.find(name => name === device) ??
    fail({
      kind: 'usage',
      message: `expected ${devices.slice(0, -1).join(', ')} or ${devices.at(-1)}, came "${device}"`,
      where: '--device',
      help:
        device.toLowerCase() === 'gpu'
          ? 'webgpu is any graphics card (Vulkan, Metal, Direct3D 12), cuda one of NVIDIA; `moiety doctor` tests both'
          : 'leave it out for the device that the run was trained on; `moiety doctor` tests all',
    })
  )
}
