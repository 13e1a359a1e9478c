import { expect, it } from 'vitest'
import { deviceChoice } from './device-flag.ts'

it("takes the names of devices, also other programs', and says them where another one is given", () => {
  expect(deviceChoice(undefined)).toBeUndefined()
  expect(['webgpu', 'GPU', 'mps', '0', 'cuda:0'].map(deviceChoice)).toEqual([
    ...['webgpu', 'webgpu', 'webgpu', 'cuda', 'cuda'],
  ])
  expect(() => deviceChoice('tpu')).toThrow('expected cpu, webgpu or cuda, came "tpu"')
  for (const word of ['1', 'cuda:3', '0,1'])
    try {
      deviceChoice(word)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        kind: 'usage',
        where: '--device',
        help: expect.stringContaining('CUDA_VISIBLE_DEVICES='),
      })
    }
})
