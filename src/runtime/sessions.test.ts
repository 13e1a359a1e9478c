import { expect, it } from 'vitest'
import { openLibrary } from './c-api/library.ts'
import { sessionsFor, wantedApi } from './sessions.ts'

const canCall = !('reason' in openLibrary())

it('takes what the environment asks for, and refuses anything else', () => {
  expect([undefined, '', 'c', 'node'].map(wantedApi)).toEqual([undefined, undefined, 'c', 'node'])
  expect(() => wantedApi('koffi')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      where: 'MOIETY_ORT_API',
      message: 'expected c or node, but got "koffi"',
    }),
  )
})

it('calls the C API for programs of the processor alone, and says why not elsewhere', async () => {
  const byDefault = await sessionsFor('cpu', undefined)
  expect(byDefault.api).toBe(canCall ? 'c' : 'node')
  expect(byDefault.reason === undefined).toBe(canCall)
  byDefault.close()
  expect(await sessionsFor('cpu', 'node')).toMatchObject({ api: 'node', reason: 'node was asked for' })
  expect(await sessionsFor('webgpu', 'c')).toMatchObject({
    api: 'node',
    reason: 'it is used on the processor, not on webgpu',
  })
})
