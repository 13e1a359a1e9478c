import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import type { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { classifierStepOptions } from './classification-step.ts'
import { TrainingPrograms } from './training-programs.ts'

describe('the program of the rest of an epoch', () => {
  const { model, optimizer } = resolveConfig({ model: { name: 'resnet18', width: 4 } }, 'test')
  const classifier = classifierOf(model, { classes: 4 })

  /** Whether each program that was loaded was said to run seldom, for batches of these sizes one after another. */
  async function toldSeldom(stepsPerEpoch: number, engines: number, sizes: readonly number[]) {
    const told: boolean[] = []
    const load: Engine['load'] = async (_, { seldom = false } = {}) => {
      told.push(seldom)
      return { release: async () => undefined } as Awaited<ReturnType<Engine['load']>>
    }
    const engine = { load, threads: 1 } as Engine
    const task = {
      stepsPerEpoch,
      write: ({ images, height }: { readonly images: number; readonly height: number }) =>
        classifierStepOptions({
          classifier,
          classes: 4,
          batch: images,
          size: height,
          optimizer,
          labelSmoothing: 0,
          clipNorm: null,
        }),
    }
    const programs = new TrainingPrograms([engine, ...Array(engines - 1).fill(engine)], task, 1)
    for (const images of sizes) await programs.for({ images, height: 16, width: 16 })
    return told
  }

  it('gives its memory back, in a long epoch', async () => {
    expect(await toldSeldom(40, 1, [8, 3, 8])).toEqual([false, true])
    expect(await toldSeldom(40, 2, [8, 3])).toEqual([false, false, false, true, true, true])
  })

  it('keeps it in a short one, of which it is a good part', async () => {
    expect(await toldSeldom(2, 1, [8, 3])).toEqual([false, false])
  })
})
