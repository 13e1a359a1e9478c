import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeTinyCoco } from '../../../test/tiny.ts'
import { resolveConfig } from '../../config/config.ts'
import {
  type DetectionDataset,
  type DetectionSplit,
  openDetectionDataset,
} from '../../data/detection/index.ts'
import { Graph } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { Engine } from '../../runtime/index.ts'
import { weightsAt } from '../routing.ts'
import { type DetectorModelConfig, detectorOf, isDetector } from './detector-of.ts'
import { DetectorEvaluator } from './evaluate-detector.ts'
import type { DetectorRecords } from './records.ts'

/** What belongs to which image, over canvases of two shapes and batches that are not full. */
function model(): DetectorModelConfig {
  const { model: resolved } = resolveConfig(
    {
      data: { name: 'coco' },
      model: {
        stem: 'strided',
        width: 4,
        detector: {
          channels: 8,
          headDepth: 1,
          // What is hardly believed counts too, so that there is something to compare.
          detections: { score: 0.0099, maxPerClass: 20 },
          mixture: { experts: 3, k: 2 },
        },
      },
    },
    'test',
  )
  return isDetector(resolved) ? resolved : expect.unreachable('it is a detector')
}

/** A split of one scene of another, which keeps its number in the records as 0. */
function only(split: DetectionSplit, index: number): DetectionSplit {
  return {
    length: 1,
    scenes: [split.scenes[index]!],
    load: indices => split.load(Array.from(indices, () => index)),
  }
}

describe('the records of a detector', () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-records-'))
  let engine: Engine
  let second: Engine
  let dataset: DetectionDataset
  let together: DetectorRecords
  let evaluator: DetectorEvaluator
  beforeAll(async () => {
    const directory = await writeTinyCoco(folder, { train: 7 })
    dataset = await openDetectionDataset({ name: 'coco', directory, size: 64, shortest: 48 })
    engine = await Engine.start({ threads: 1 })
    second = await Engine.start({ threads: 1 })
    const scope = Scope.root(new Graph(), { training: true })
    detectorOf(model(), { classes: 2 })(scope, scope.graph.input('images', 'float32', [1, 3, 64, 64]))
    for (const one of [engine, second]) await one.setState(scope.declarations.initialState(3))
    evaluator = new DetectorEvaluator([engine], model(), dataset)
    together = (await evaluator.evaluate({ split: dataset.train, batch: 2 }))!
  })
  afterAll(async () => {
    await Promise.all([engine.stop(), second.stop()])
    rmSync(folder, { recursive: true })
  })

  it('give each image what it has alone, whatever batch it was in', async () => {
    expect(together.images).toBe(7)
    expect(new Set(together.found.map(({ image }) => image)).size).toBeGreaterThan(3)
    for (let image = 0; image < 7; image++) {
      const alone = (await evaluator.evaluate({ split: only(dataset.train, image), batch: 2 }))!
      for (const [i, layer] of together.routing.entries())
        for (let level = 0; level < 5; level++) {
          const weights = weightsAt(layer, image, level)
          for (const [e, weight] of weightsAt(alone.routing[i]!, 0, level).entries())
            expect(weights[e], `${layer.name}, image ${image}, level ${level}`).toBeCloseTo(weight, 5)
        }
      const own = together.found.filter(one => one.image === image)
      expect(own.map(({ label, level, imageId }) => [label, level, imageId])).toEqual(
        alone.found.map(({ label, level, imageId }) => [label, level, imageId]),
      )
      for (const [i, { box }] of own.entries())
        for (const [side, value] of box.entries()) expect(value).toBeCloseTo(alone.found[i]!.box[side]!, 2)
      expect(
        together.objects
          .filter(one => one.image === image)
          .map(({ object, label, level }) => [object, label, level]),
      ).toEqual(alone.objects.map(({ object, label, level }) => [object, label, level]))
    }
    // Images differ in how they are routed, or nothing of this would be shown.
    const rows = new Set(
      Array.from({ length: 7 }, (_, image) => weightsAt(together.routing[0]!, image, 0).join()),
    )
    expect(rows.size).toBe(7)
  })

  it('are the same, in the same order, where two engines share the batches', async () => {
    const both = new DetectorEvaluator([engine, second], model(), dataset)
    expect(await both.evaluate({ split: dataset.train, batch: 2 })).toEqual(together)
  })

  it('count objects and no crowds, by their number in the file', () => {
    const scene = dataset.train.scenes[3]!
    expect(scene.objects.map(({ crowd }) => crowd)).toEqual([true, false, false])
    const own = together.objects.filter(({ image }) => image === 3)
    expect(own.map(({ object, area }) => [object, area])).toEqual(
      [1, 2].map(object => [object, scene.objects[object]!.area]),
    )
    expect(together.evaluation.counts.crowds).toBe(1)
  })
})
