import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { floats, type HostTensor } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { openLibrary } from '../runtime/c-api/library.ts'
import { startEngines } from '../runtime/engines.ts'
import type { OrtApi } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { classifierStepOptions } from './classification-step.ts'
import { TrainingPrograms } from './training-programs.ts'

const [size, classes, images] = [8, 4, 12]
const { model, optimizer } = resolveConfig(
  {
    model: {
      name: 'resnet18',
      width: 16,
      moe: [{ position: 3, style: 'resblock', experts: 3, k: 2, constraint: { name: 'importance' } }],
    },
    optimizer: { name: 'adam' },
  },
  'test',
)
const classifier = classifierOf(model, { classes })

const form = { images, height: size, width: size }
const batchOf = (step: number, wrong: number) => {
  const pixels = Float32Array.from({ length: images * 3 * size * size }, (_, i) => Math.sin(i * i + step))
  pixels[7]! += wrong
  return {
    form,
    feeds: new Map<string, HostTensor>([
      ['images', floats([images, 3, size, size], pixels)],
      [
        'labels',
        {
          dtype: 'int64',
          shape: [images],
          data: BigInt64Array.from({ length: images }, (_, i) => BigInt((i + step) % classes)),
        },
      ],
    ]),
  }
}

/** The bits of tensors. */
function hashOf(tensors: ReadonlyMap<string, HostTensor>): string {
  const hash = createHash('sha256')
  for (const [name, { dtype, shape, data }] of tensors)
    hash
      .update(`${name} ${dtype} ${shape}`)
      .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return hash.digest('hex')
}

/** The bits of everything that some steps return, and of the state after them; the second step is not finite. */
async function taken(api: OrtApi, replicas: number): Promise<unknown[]> {
  const engines = await startEngines({ api, replicas, threads: replicas })
  try {
    expect(engines[0].calls.api).toBe(api)
    const write = () =>
      classifierStepOptions({
        classifier,
        classes,
        batch: images / replicas,
        size,
        optimizer,
        labelSmoothing: 0,
        clipNorm: 1,
      })
    const programs = new TrainingPrograms(
      engines,
      { write: ({ images: batch }) => ({ ...write(), form: { ...form, images: batch } }) },
      1,
    )
    const step = await programs.for(form)
    await engines[0].setState(step.facts.initialState(3))
    await programs.spread(step)
    const results: unknown[] = []
    for (let i = 0; i < 4; i++) {
      const moment = { step: i, epoch: 0, rate: 1e-2 }
      const { committed, outputs } = await step.take(batchOf(i, i === 1 ? Number.NaN : 0), moment)
      results.push(committed, hashOf(outputs))
    }
    for (const engine of engines) results.push(hashOf(await engine.readState()))
    return results
  } finally {
    await Promise.all(engines.map(engine => engine.stop()))
  }
}

describe.runIf(!('reason' in openLibrary()))('A training by the C API and by the binding for Node', () => {
  it.each([1, 2])('takes the same steps, to the bit, with %d engines', async replicas => {
    const [byC, byNode] = [await taken('c', replicas), await taken('node', replicas)]
    expect([0, 2, 4, 6].map(i => byC[i])).toEqual([true, false, true, true])
    expect(byC).toEqual(byNode)
  })
})
