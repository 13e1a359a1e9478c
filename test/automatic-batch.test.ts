import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../src/config/config.ts'
import { measureInProcess } from '../src/train/automatic-batch.ts'
import { moiety, newFolder, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'
import { smallConfig, writeRun } from './untrained-run.ts'

/** What is measured or read in processes before a training: the memory of a batch, and the network of weights. */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'), { train: 96, test: 32 })

describe('the memory of a batch', () => {
  const configOf = (changes: object) => resolveConfig({ ...tinyConfig(data), ...changes }, 'test')

  it('is measured in a process of its own, and grows with the batch', async () => {
    const measure = measureInProcess(configOf({}), { classes: 4 })
    const [few, many] = [await measure(2), await measure(96)]
    // Activations alone: 94 images more, in more than ten tensors of 4 channels at 32² in float32 each.
    expect(many - few).toBeGreaterThan(94 * 10 * 4 * 32 ** 2 * 4)
    expect(few).toBeGreaterThan(64e6)
    expect(many).toBeLessThan(4e9)
  })

  it('is refused with the reason of that process', async () => {
    const config = configOf({ data: { name: 'folder', directory: join(folder, 'nowhere') } })
    await expect(measureInProcess(config, { classes: 4 })(4)).rejects.toMatchObject({
      kind: 'usage',
      where: 'training.batch',
      message: expect.stringMatching(/of batches of 4 images could not be measured: .+/s),
      help: 'give a number: --batch 32',
    })
  })

  it('decides the batch of a training that asks for it', async () => {
    const limited = { name: 'sample', limit: { train: 96, test: 32 } }
    const recipe = writeRecipe(folder, {
      ...tinyConfig(data),
      data: limited,
      training: { epochs: 1, batch: 16 },
    })
    const out = join(folder, 'run')
    const { code, stderr, stdout } = await moiety('train', recipe, '--batch', 'auto', '--out', out)
    expect(code, stderr).toBe(0)
    // 96 images and ten steps an epoch allow 8; that there are so many is known only when the sample is opened.
    expect(stderr + stdout).toMatch(
      /batches of 8 images: the training takes about \d+ MB of \d+ MB, measured/,
    )
    expect(stderr + stdout).toContain('it is --lr')
  })
})

describe('moiety recipes show', () => {
  it('shows the network of the weights that a training is to begin with', async () => {
    const run = writeRun(join(folder, 'weights'), smallConfig([], { stem: 'cifar' }))
    const words = ['--set', 'model.moe=[]', '--set', `model.from=${run}`, '--json']
    const { code, stdout, stderr } = await moiety('recipes', 'show', 'photos', ...words)
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout).config.model).toMatchObject({
      name: 'resnet18',
      width: 4,
      stem: 'cifar',
      weights: run,
    })
    const missing = await moiety('recipes', 'show', 'photos', '--set', `model.from=${join(folder, 'no')}`)
    expect([missing.code, missing.stderr]).toEqual([3, expect.stringContaining(join(folder, 'no'))])
  })
})
