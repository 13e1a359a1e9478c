import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprint, newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import type { HostTensor } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { latestCheckpoint } from '../run/checkpoint.ts'
import { train } from './train.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))
const plain = join(folder, 'plain')

const config = (model: object) => {
  const base = tinyConfig(join(folder, 'data'), [])
  return resolveConfig(
    {
      ...base,
      model: { name: 'resnet18', width: 2, ...model },
      training: { epochs: 1, batch: 16, keepCheckpoints: 1, checkpointEvery: { steps: 2 } },
    },
    'test',
  )
}

const stateOf = (run: string): ReadonlyMap<string, HostTensor> =>
  latestCheckpoint(run, { fallback: false }).checkpoint!.state

const same = (a: HostTensor | undefined, b: HostTensor | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.from(a.data.buffer).equals(Buffer.from(b.data.buffer))

beforeAll(async () => {
  writeTinyCifar(join(folder, 'data'), { train: 64, test: 16 })
  await train({ config: config({}), run: plain, recipe: 'test', resume: false })
})

const mixture = (style: string, position: number) => ({
  style,
  position,
  experts: 2,
  k: 2,
  constraint: { name: 'none' },
})

describe('frozen stages', () => {
  it.each([
    ['given ones', [0, 2], [], /^(?:conv1|bn1|layer2)\./],
    ['all of a plain network', [0, 1, 2, 3, 4], [], /^(?!fc\.)/],
    [
      'all but a mixture in place of a stage',
      [0, 1, 2, 3, 4],
      [mixture('resblock', 4)],
      /^(?!fc\.|layer4\.)/,
    ],
    [
      'all but a mixture in place of a convolution',
      [0, 1, 2, 3, 4],
      [mixture('conv', 3)],
      /^(?!fc\.|layer3\.1\.conv2\.)/,
    ],
  ])(
    '%s keep every bit, statistics of BatchNorm included, also through a resume',
    async (name, freeze, moe, frozen) => {
      const options = {
        config: config({ freeze, moe, weights: plain, weightsPart: 'auto' }),
        run: join(folder, name),
        recipe: 'test',
      }
      const stop = new AbortController()
      const onEvent = ({ kind }: { readonly kind: string }) => {
        if (kind === 'step') stop.abort()
      }
      expect((await train({ ...options, resume: false, signal: stop.signal, onEvent })).interrupted).toBe(
        true,
      )
      await train({ ...options, resume: true })
      const before = stateOf(plain)
      const after = stateOf(options.run)
      const model = [...after].filter(([tensor]) => !tensor.startsWith('optimizer.'))
      for (const [tensor, value] of model)
        if (frozen.test(tensor)) expect(same(value, before.get(tensor)), tensor).toBe(true)
      const trained = model.filter(([tensor]) => !frozen.test(tensor))
      expect(trained.filter(([tensor, value]) => same(value, before.get(tensor)))).toEqual([])
      const moments = [...after.keys()].filter(key => key.startsWith('optimizer.m.'))
      expect(moments.length).toBeGreaterThan(1)
      expect(moments.filter(key => frozen.test(key.slice('optimizer.m.'.length)))).toEqual([])
      expect(trained.length).toBeGreaterThan(1)
    },
  )

  it('resumed end with the bits of a training that was left alone', async () => {
    const options = (run: string) => ({
      config: config({ freeze: [0, 1, 2], weights: plain }),
      run: join(folder, run),
      recipe: 'test',
    })
    await train({ ...options('left alone'), resume: false })
    const stop = new AbortController()
    const onEvent = ({ kind }: { readonly kind: string }) => {
      if (kind === 'step') stop.abort()
    }
    await train({ ...options('stopped'), resume: false, signal: stop.signal, onEvent })
    await train({ ...options('stopped'), resume: true })
    const { files } = fingerprint(join(folder, 'stopped'))
    const { files: wanted } = fingerprint(join(folder, 'left alone'))
    expect(files['model.safetensors']).toBe(wanted['model.safetensors'])
    expect(files['optimizer.safetensors']).toBe(wanted['optimizer.safetensors'])
  })

  it('need weights that they have learned, and belong to classifiers', () => {
    expect(() => config({ freeze: [0] })).toThrow('frozen stages keep first values')
    expect(() =>
      resolveConfig({ data: { name: 'scenes' }, model: { weights: 'x', freeze: [0], detector: {} } }, 'test'),
    ).toThrow('what a detector freezes is model.detector.freeze')
  })
})
