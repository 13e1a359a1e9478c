import { expect, it } from 'vitest'
import { deviceChoice } from './device-flag.ts'

it('takes the names of devices and says them where another one is given', () => {
  expect(deviceChoice(undefined)).toBeUndefined()
  expect(deviceChoice('webgpu')).toBe('webgpu')
  expect(() => deviceChoice('tpu')).toThrow('expected cpu, webgpu or cuda, came "tpu"')
  for (const word of ['gpu', 'GPU'])
    try {
      deviceChoice(word)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        kind: 'usage',
        where: '--device',
        help: expect.stringContaining('cuda one of'),
      })
    }
})
