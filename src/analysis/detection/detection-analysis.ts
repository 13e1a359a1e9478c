import { type SplitName, splitNamed } from '../../data/index.ts'
import type { DetectionStats } from '../../metrics/detections/index.ts'
import { DetectionTask, detection } from '../../tasks/detection/detection-task.ts'
import { sizesOf } from '../../tasks/detection/evaluate-detector.ts'
import type { DetectorRecords, TrueObject } from '../../tasks/detection/records.ts'
import type { EvaluatedVariants } from '../../tasks/task.ts'
import type { Analysed, AnalysisOptions } from '../analysed.ts'
import { type DetectionExtras, groupingOf, type LayerFindings } from '../findings.ts'
import { drained } from '../layer-findings.ts'
import { plain } from '../plain.ts'
import { type RoutedItems, routedItems, topExperts, weightsOfItems } from '../routed-items.ts'
import { type Column, parquetFile, routingTable } from '../routing-table.ts'
import { analysisOf } from '../task-analysis.ts'
import { testMedians, weightedMedian } from './median-areas.ts'
import { chooseScenes } from './scene-choice.ts'
import { missPictures, scenePictures } from './scene-pictures.ts'
import { sizeClassOf, sizeNames } from './sizes.ts'

/** What only detectors have: sizes and areas of objects, and scenes (METHOD.md §5.5). */
export const detectionAnalysis = analysisOf(detection, DetectionTask, analysed)

function analysed(
  task: DetectionTask,
  split: SplitName,
  { trained, variants }: EvaluatedVariants<DetectorRecords>,
  options: AnalysisOptions,
): Analysed {
  const { data } = task
  const { objects, routing, images, evaluation } = trained
  const { permutations = defaultPermutations, scenes: shown = 8, seed = 0 } = options
  const sizes = sizesOf(data)
  const sizeOf = ({ area }: TrueObject): number => sizeClassOf(area, sizes)
  return {
    evaluated: trained,
    variants,
    permutations: defaultPermutations,
    perClass: Object.fromEntries(
      (Object.keys(evaluation.stats) as (keyof DetectionStats)[]).map(name => [
        name,
        evaluation.perCategory.map(category => category[name]),
      ]),
    ),
    predicted: null,
    groupings: () => [
      {
        name: 'size',
        names: sizeNames,
        items: objects.map(object => ({ ...object, label: sizeOf(object) })),
        withCells: true,
      },
    ],
    async finish(layers, onProgress) {
      const own: DetectionExtras['layers'] = []
      for (const layer of routing) {
        const routed = routedItems(layer, objects)
        const range = await drained(testMedians(routed, { permutations, seed }), done =>
          onProgress(`${layer.name}: permuting areas`, done, permutations),
        )
        own.push({
          objects: {
            count: routed.items.length,
            units: routed.level.length,
            left: objects.length - routed.items.length,
          },
          medianArea: { ...medianAreas(routed), range },
        })
      }
      const perSize = [0, 1, 2].map(size => objects.filter(object => sizeOf(object) === size).length)
      const scenes = chooseScenes(trained, routing[mostOfSizes(layers)], shown)
      return {
        extras: {
          task: 'detection',
          canvases: data.canvases.map(([height, width]) => [height, width]),
          sizes: [...sizes],
          perSize: [perSize[0]!, perSize[1]!, perSize[2]!],
          crowds: evaluation.counts.crowds,
          changes: [...(splitNamed(data, split).changes ?? [])],
          detections: evaluation.perCategory.map(({ detections }) => detections),
          answers: plain(trained.summary),
          layers: own,
          scenes: { images: [...scenes.images], score: scenes.score },
        },
        pictures: {
          task: 'detection',
          scenes: await scenePictures(scenes.images, scenes.score, {
            split: splitNamed(data, split),
            records: trained,
          }),
          missed: await missPictures(
            trained.summary.missed.examples,
            trained.summary.score ?? scenes.score,
            shown,
            {
              split: splitNamed(data, split),
              records: trained,
            },
          ),
        },
        tables: [
          routingTable({ routing, images }, data, { levels: true, about: [] }),
          parquetFile(
            'objects',
            objectColumns(objects, object => sizeNames[sizeOf(object)]!),
            data,
          ),
        ],
      }
    },
  }
}

/** As many cells of sizes and levels by experts as there may be take more of them than classes do. */
const defaultPermutations = 2000

/** The layer whose experts sizes go with most: what scenes are chosen by. */
function mostOfSizes(layers: readonly LayerFindings[]): number {
  const bits = layers.map(layer => groupingOf(layer, 'size')?.information?.value ?? 0)
  return Math.max(0, bits.indexOf(Math.max(...bits)))
}

function medianAreas(
  routed: RoutedItems<TrueObject>,
): Omit<DetectionExtras['layers'][number]['medianArea'], 'range'> {
  const { items, unit, experts } = routed
  const areas = items.map(({ area }) => area)
  const weights = weightsOfItems(routed)
  const top = topExperts(routed.weights, experts)
  const median = (weight: (at: number) => number): number | null =>
    weightedMedian(areas, Array.from(areas.keys(), weight))
  const each = Array.from({ length: experts }, (_, expert) => expert)
  return {
    weighted: each.map(expert => median(at => weights[at * experts + expert]!)),
    top: each.map(expert => median(at => Number(top[unit[at]!] === expert))),
    all: median(() => 1),
  }
}

/**
 * `objects.parquet`: one row for each object but crowds, in the order of images.
 *
 * | column | type | |
 * |---|---|---|
 * | image | int32 | number within the split |
 * | object | int32 | number among the image's objects |
 * | label | int32 | class |
 * | area | double | square pixels of the stored image |
 * | size | string | small, medium or large |
 * | level | int32 | 3 to 7, of the anchor that overlaps it most; null where none does |
 */
function objectColumns(objects: readonly TrueObject[], sizeOf: (object: TrueObject) => string): Column[] {
  const rows = objects.toSorted((a, b) => a.image - b.image || a.object - b.object)
  return [
    { name: 'image', type: 'INT32', data: rows.map(({ image }) => image) },
    { name: 'object', type: 'INT32', data: rows.map(({ object }) => object) },
    { name: 'label', type: 'INT32', data: rows.map(({ label }) => label) },
    { name: 'area', type: 'DOUBLE', data: rows.map(({ area }) => area) },
    { name: 'size', type: 'STRING', data: rows.map(sizeOf) },
    {
      name: 'level',
      type: 'INT32',
      nullable: true,
      data: rows.map(({ level }) => (level < 0 ? null : level + 3)),
    },
  ]
}
