import { fail } from '../base/errors.ts'
import { cSessions } from './c-api/c-sessions.ts'
import { openLibrary } from './c-api/library.ts'
import { type ApiInUse, type Device, type OrtApi, ortApis } from './protocol.ts'
import type { Sessions } from './session.ts'

/**
 * The way to call ONNX Runtime for programs of a device: its C API on the processor, where it can be called, and its binding for
 * Node otherwise.
 *
 * @param wanted - one of them; by default the C API where it can be called
 * @throws MoietyError `usage` where the one that is wanted cannot be used
 */
export async function sessionsFor(device: Device, wanted = wantedApi()): Promise<Sessions & ApiInUse> {
  const reason = device !== 'cpu' ? onDevice(device) : wanted === 'node' ? 'node was asked for' : undefined
  const found = reason === undefined ? openLibrary() : { reason }
  if (!('reason' in found)) return { ...cSessions(found), api: 'c' }
  if (wanted === 'c' && device === 'cpu') refuseCApi(found.reason)
  // Not before: the binding is a library of its own, with its own threads and memory.
  const { nodeSessions } = await import('./node-binding.ts')
  return { ...nodeSessions, api: 'node', reason: found.reason }
}

/** The environment variable that chooses. */
export const ortApiVariable = 'MOIETY_ORT_API'

/**
 * What the environment asks for.
 *
 * @throws MoietyError `usage` where that is nothing known
 */
export function wantedApi(value = process.env[ortApiVariable]): OrtApi | undefined {
  if (value === undefined || value === '') return undefined
  return (
    ortApis.find(api => api === value) ??
    fail({
      kind: 'usage',
      message: `expected ${ortApis.join(' or ')}, but got "${value}"`,
      where: ortApiVariable,
      help: 'c calls ONNX Runtime by its C API, node by its binding for Node; leave it unset to take the C API where it can be',
    })
  )
}

const onDevice = (device: Device): string => `it is used on the processor, not on ${device}`

function refuseCApi(reason: string): never {
  return fail({
    kind: 'usage',
    message: `ONNX Runtime cannot be called by its C API here: ${reason}`,
    where: ortApiVariable,
    help: `leave ${ortApiVariable} unset, or set it to node`,
  })
}
