import { fail } from '../base/errors.ts'
import { nearest } from '../base/schemas.ts'
import { type Device, devices } from '../runtime/index.ts'

/** Names of devices that other programs have. */
const otherDevices: Readonly<Record<string, Device>> = {
  gpu: 'webgpu',
  mps: 'webgpu',
  'cuda:0': 'cuda',
  '0': 'cuda',
}

/** The device that `--device` names, if it is given. @throws MoietyError `usage` for another word, or another GPU than the first */
export function deviceChoice(device: string | undefined): Device | undefined {
  if (device === undefined) return undefined
  const known = devices.find(name => name === device) ?? otherDevices[device.toLowerCase()]
  if (known !== undefined) return known
  if (/^(cuda:)?[1-9]\d*$/.test(device) || /^\d+(,\d+)+$/.test(device))
    fail({
      kind: 'usage',
      message: `expected the first GPU, which a training runs on alone, came "${device}"`,
      where: '--device',
      help: `choose the GPU from outside: CUDA_VISIBLE_DEVICES=${device.replace('cuda:', '').split(',')[0]} moiety … --device cuda`,
    })
  const guess = nearest(device, devices)
  return fail({
    kind: 'usage',
    message: `expected ${devices.slice(0, -1).join(', ')} or ${devices.at(-1)}, came "${device}"`,
    where: '--device',
    help:
      guess === undefined
        ? 'webgpu is any graphics card (Vulkan, Metal, Direct3D 12), cuda one of NVIDIA; `moiety doctor` tests all'
        : `did you mean "${guess}"?`,
  })
}
