import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { Engine, type LoadedProgram } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { trainingStep } from './classification-step.ts'
import { divergence, firstNonFinite } from './diagnose.ts'
import type { TrainingStep } from './step.ts'

const [batch, size, classes] = [4, 8, 4]

let engine: Engine
let step: TrainingStep
let loaded: LoadedProgram
beforeAll(async () => {
  const config = resolveConfig({ model: { name: 'resnet18', width: 4 }, optimizer: { name: 'adam' } }, 'test')
  const classifier = classifierOf(config.model, { classes })
  const { optimizer } = config
  step = trainingStep({ classifier, classes, batch, size, optimizer, labelSmoothing: 0, clipNorm: null })
  engine = await Engine.start({ threads: 1 })
  loaded = await engine.load(step.program)
})
afterAll(() => engine.stop())

function feeds(spoil?: (images: Float32Array) => void): Map<string, HostTensor> {
  const source = draws(1, 'images')
  const images = Float32Array.from({ length: batch * 3 * size * size }, () => source.normal())
  spoil?.(images)
  return new Map([
    ['images', floats([batch, 3, size, size], images)],
    ['labels', { dtype: 'int64', shape: [batch], data: BigInt64Array.of(0n, 1n, 2n, 3n) }],
    ['learningRate', scalar(0.001)],
  ])
}

/** The state of a step before which one value of a tensor was spoiled. */
async function spoil(name: string, value: number): Promise<void> {
  const state = step.initialState(1)
  const tensor = state.get(name)!
  tensor.data[tensor.data.length - 1] = value
  await engine.setState(state)
}

async function firstBad(fed: Map<string, HostTensor>): Promise<string | undefined> {
  const { committed } = await loaded.step(fed, { updates: step.updates, guards: step.guards })
  expect(committed).toBe(false)
  const first = await firstNonFinite(engine, step.diagnosis(), fed)
  const error = divergence(first, { step: 7, loss: Number.NaN, checkpoint: 'step-000006' })
  expect(error).toMatchObject({ kind: 'diverged', exitCode: 4 })
  expect(error.help).toContain('step-000006')
  expect(error.message).toContain(`"${error.where}"`)
  return error.where
}

describe('a step that diverged is blamed on', () => {
  it('the images, when one of them holds NaN', async () => {
    await engine.setState(step.initialState(1))
    const fed = feeds(images => {
      images[images.length - 1] = Number.NaN
    })
    expect(await firstBad(fed)).toBe('images')
  })

  it.each([
    ['layer2.0.conv1.weight', Number.NaN],
    ['layer4.1.bn2.bias', Number.POSITIVE_INFINITY],
    ['fc.bias', Number.NEGATIVE_INFINITY],
  ])('the parameter %s, when it holds %d', async (name, value) => {
    await spoil(name, value)
    expect(await firstBad(feeds())).toBe(name)
  })

  it('the operation that overflowed, when everything that came in was finite', async () => {
    await spoil('fc.weight', 3e38)
    const fed = feeds()
    const { shape, data } = fed.get('images')!
    fed.set(
      'images',
      floats(
        shape,
        Float32Array.from({ length: data.length }, (_, i) => Number(data[i]) * 1e3),
      ),
    )
    expect(await firstBad(fed)).toMatch(/^fc\//)
  })

  it('the variance that overflowed, though the loss and all gradients are finite', async () => {
    await engine.setState(step.initialState(1))
    const fed = feeds(images => {
      for (const [i, value] of images.entries()) images[i] = value * 1e20
    })
    const { outputs, nonFinite } = await loaded.step(fed, { updates: step.updates, guards: step.guards })
    expect(nonFinite).toEqual(['statistics'])
    expect(Number.isFinite(outputs.get('loss')!.data[0])).toBe(true)
    expect(await engine.readState()).toEqual(step.initialState(1))
    expect(await firstBad(fed)).toMatch(/^bn1\//)
  })

  it('the parameter that a spoiled moment of the optimizer spoiled, one step later', async () => {
    await spoil('optimizer.m.fc.bias', Number.NaN)
    const first = await loaded.step(feeds(), { updates: step.updates, guards: step.guards })
    expect(first.committed).toBe(true)
    expect(await firstBad(feeds())).toBe('fc.bias')
  })
})
