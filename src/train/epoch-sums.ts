import * as z from 'zod'
import type { HostTensor } from '../base/tensor.ts'
import { addBatch, counterValues, emptySums, utilisation } from '../evaluate/utilisation.ts'
import type { Json, JsonObject } from '../files/json.ts'
import type { LayerInfo } from '../moe/index.ts'
import type { LayerStats } from '../run/events.ts'

const layerSums = z.object({
  name: z.string(),
  importance: z.array(z.number()),
  activation: z.array(z.number()),
  excluded: z.array(z.number()),
  counters: z.record(z.string(), z.array(z.number())).default({}),
  images: z.number(),
  steps: z.number(),
})

const epochSums = z.object({
  images: z.number(),
  loss: z.number(),
  taskLoss: z.number(),
  auxLoss: z.number(),
  correct1: z.number(),
  correct5: z.number(),
  /** Time spent in this epoch; what was spent before an interruption is not counted. */
  seconds: z.number(),
  layers: z.array(layerSums),
})

/**
 * What an epoch has added up so far. It is plain JSON and travels in the checkpoint, so that the line about an epoch
 * that was interrupted equals that of one that was not.
 */
export type EpochSums = z.output<typeof epochSums>

/**
 * For a checkpoint: everything but the time, so that its bytes depend on the training alone. The shape of the JSON is
 * that of {@link readSums}.
 */
export function writeSums(sums: EpochSums): JsonObject {
  const json: JsonObject = JSON.parse(JSON.stringify({ ...sums, seconds: 0 }))
  return json
}

/** The sums that a checkpoint holds; undefined where it holds none. */
export function readSums(json: Json): EpochSums | undefined {
  return epochSums.safeParse(json).data
}

export function emptyEpoch(layers: readonly LayerInfo[]): EpochSums {
  return {
    images: 0,
    loss: 0,
    taskLoss: 0,
    auxLoss: 0,
    correct1: 0,
    correct5: 0,
    seconds: 0,
    layers: layers.map(({ name, experts }) => emptySums(name, experts)),
  }
}

const number = (outputs: ReadonlyMap<string, HostTensor>, name: string): number =>
  Number(outputs.get(name)?.data[0] ?? 0)

/** Adds the metrics of one step; losses are averages over its images. */
export function addStep(
  sums: EpochSums,
  layers: readonly LayerInfo[],
  outputs: ReadonlyMap<string, HostTensor>,
  images: number,
): void {
  sums.images += images
  sums.correct1 += number(outputs, 'correct1')
  sums.correct5 += number(outputs, 'correct5')
  for (const name of ['loss', 'taskLoss', 'auxLoss'] as const) sums[name] += number(outputs, name) * images
  for (const [i, layer] of sums.layers.entries()) {
    const values = (leaf: string): number[] =>
      Array.from(outputs.get(`${layer.name}.${leaf}`)?.data ?? [], Number)
    addBatch(layer, {
      importance: values('importance'),
      activation: values('activation'),
      excluded: values('excluded'),
      counters: counterValues(layer.name, layers[i]!.counters, outputs),
      images,
    })
  }
}

/** Means over the images seen so far. */
export function epochMeans(sums: EpochSums): {
  readonly loss: number
  readonly taskLoss: number
  readonly auxLoss: number
  readonly top1: number
  readonly top5: number
  readonly layers: readonly LayerStats[]
} {
  const count = Math.max(1, sums.images)
  return {
    loss: sums.loss / count,
    taskLoss: sums.taskLoss / count,
    auxLoss: sums.auxLoss / count,
    top1: sums.correct1 / count,
    top5: sums.correct5 / count,
    layers: sums.layers.map(utilisation),
  }
}
