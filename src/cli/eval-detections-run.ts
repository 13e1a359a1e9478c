import { fail } from '../base/errors.ts'
import { readCocoAnnotations } from '../data/coco/annotations.ts'
import { readCocoResults } from '../data/coco/results.ts'
import {
  cocoSizes,
  type DetectionEvaluation,
  evaluateDetections,
  type SizeLimits,
} from '../metrics/detections/index.ts'
import { categoryTable, iouTable, sortedCategories, statsTable } from './detection-tables.ts'
import type { EvalDetectionsFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { painter } from './screen.ts'

/** `moiety eval-detections` */
export function runDetectionEvaluation(
  annotationFile: string,
  detectionFile: string,
  flags: EvalDetectionsFlags,
): void {
  const sizes = sizesOf(flags.sizes)
  const progress = createProgress(process.stderr)
  const telling = (what: string) => (done: number, total: number) =>
    progress.show({ kind: 'progress', what, done, total })
  try {
    const truth = readCocoAnnotations(annotationFile, { onProgress: telling('reading annotations') })
    const detections = readCocoResults(detectionFile, truth, telling('reading detections'))
    if (truth.annotations.some(({ id }) => id === 0)) progress.show({ kind: 'warning', message: zeroId })
    const result = evaluateDetections(truth, detections, { sizes, onProgress: telling('evaluating') })
    progress.end()
    if (flags.json) {
      printJson(document(result, annotationFile, detectionFile, sizes))
      return
    }
    const paint = painter(process.stdout)
    const categories = flags.perCategory ? sortedCategories(result.perCategory, flags.sort) : []
    print(
      [
        ...(categories.length > 0 ? [categoryTable(categories, paint)] : []),
        statsTable(result, sizes, paint),
        iouTable(result.perIoU, paint),
      ].join('\n\n'),
    )
  } finally {
    progress.end()
  }
}

const zeroId =
  'an annotation has the id 0: pycocotools counts a detection of it as wrong, and so does this; number annotations from 1'

/** Categories by their id, in the form in which COCO names them. */
function document(
  { stats, perIoU, perCategory, counts }: DetectionEvaluation,
  annotations: string,
  detections: string,
  sizes: SizeLimits,
): object {
  return {
    annotations,
    detections,
    sizes,
    counts,
    stats,
    perIoU,
    perCategory: Object.fromEntries(perCategory.map(one => [String(one.id), one])),
  }
}

function sizesOf(text: string | undefined): SizeLimits {
  if (text === undefined) return cocoSizes
  const [small = Number.NaN, medium = Number.NaN, ...more] = text.split(',').map(Number)
  if (more.length === 0 && small > 0 && medium > small && Number.isFinite(medium)) return [small, medium]
  return fail({
    kind: 'usage',
    message: `expected two sides in pixels that rise, came "${text}"`,
    where: '--sizes',
    help: 'for example --sizes 16,48 where images are half as large as those of COCO',
  })
}
