import * as z from 'zod'
import type { HostTensor } from '../base/tensor.ts'
import type { Json, JsonObject } from '../files/json.ts'
import { addBatch, counterValues, emptySums, utilization } from '../metrics/utilization.ts'
import type { LayerInfo } from '../moe/index.ts'
import type { LayerStats } from '../run/events.ts'
import type { StepFacts } from './step.ts'

const layerSums = z.object({
  name: z.string(),
  importance: z.array(z.number()),
  activation: z.array(z.number()),
  excluded: z.array(z.number()),
  counters: z.record(z.string(), z.array(z.number())).default({}),
  images: z.number(),
  steps: z.number(),
})

/** What an epoch has added up so far, as a checkpoint has it. */
export const epochSums = z.object({
  images: z.number(),
  loss: z.number(),
  taskLoss: z.number(),
  auxLoss: z.number(),
  /** What else a step measures, summed over images, by the name of its output. */
  measures: z.record(z.string(), z.number()),
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

/** Of an epoch that has not begun. */
export function emptyEpoch(layers: readonly LayerInfo[]): EpochSums {
  return {
    images: 0,
    loss: 0,
    taskLoss: 0,
    auxLoss: 0,
    measures: {},
    seconds: 0,
    layers: layers.map(({ name, experts }) => emptySums(name, experts)),
  }
}

const number = (outputs: ReadonlyMap<string, HostTensor>, name: string): number =>
  Number(outputs.get(name)?.data[0] ?? 0)

/** Adds the metrics of one step of `images` images; losses are averages over them. */
export function addStep(
  sums: EpochSums,
  { layers, measures }: Pick<StepFacts, 'layers' | 'measures'>,
  outputs: ReadonlyMap<string, HostTensor>,
  images: number,
): void {
  sums.images += images
  for (const name of measures) sums.measures[name] = (sums.measures[name] ?? 0) + number(outputs, name)
  for (const name of ['loss', 'taskLoss', 'auxLoss'] as const) sums[name] += number(outputs, name) * images
  for (const [i, layer] of sums.layers.entries()) {
    const values = (leaf: string): number[] =>
      Array.from(outputs.get(`${layer.name}.${leaf}`)?.data ?? [], Number)
    addBatch(layer, {
      importance: values('importance'),
      activation: values('activation'),
      excluded: values('excluded'),
      counters: counterValues(layer.name, layers[i]!.counters, outputs),
      images: images * layers[i]!.inputs,
    })
  }
}

/** Means over the images seen so far. */
export function epochMeans(sums: EpochSums): {
  readonly loss: number
  readonly taskLoss: number
  readonly auxLoss: number
  /** What else was measured, by the name of the step's output. */
  readonly measures: Readonly<Record<string, number>>
  readonly layers: readonly LayerStats[]
} {
  const count = Math.max(1, sums.images)
  return {
    loss: sums.loss / count,
    taskLoss: sums.taskLoss / count,
    auxLoss: sums.auxLoss / count,
    measures: Object.fromEntries(Object.entries(sums.measures).map(([name, total]) => [name, total / count])),
    layers: sums.layers.map(utilization),
  }
}
