import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'

/** The values of an output. @throws MoietyError `usage` where there are none */
export function floatsOf(outputs: ReadonlyMap<string, HostTensor>, name: string): Float32Array {
  const data = outputs.get(name)?.data
  if (data instanceof Float32Array) return data
  return fail({ kind: 'usage', message: 'expected float32 values', where: `output ${name}` })
}
