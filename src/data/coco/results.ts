import { fail } from '../../base/errors.ts'
import { readJsonRecords } from '../../files/json-records.ts'
import { type Box, CocoRecord, unlisted } from './record.ts'

/** One detected object. */
export interface Detection {
  readonly imageId: number
  readonly categoryId: number
  /** In pixels. */
  readonly box: Box
  /** Confidence: any finite number, as only the order matters. */
  readonly score: number
}

/** The ids that detections may refer to. */
export interface KnownIds {
  readonly images: readonly { readonly id: number }[]
  readonly categories: readonly { readonly id: number }[]
}

/**
 * Reads detections from a results file in COCO's format (cocodataset.org/#format-results), a list of
 * `{"image_id", "category_id", "bbox", "score"}`; other members are passed over. The list may be empty.
 *
 * @param known - the annotations that the detections belong to
 * @param onProgress - called with the bytes read and the total
 * @throws MoietyError of kind `data` that names file, record and member: what `readJsonRecords` refuses; a member of the
 *   wrong type or missing; a box that is not four finite numbers or has a negative extent; a score that is not finite;
 *   an image or a category that is not in the annotations
 */
export function readCocoResults(
  file: string,
  known: KnownIds,
  onProgress?: (done: number, total: number) => void,
): Detection[] {
  const images = new Set(known.images.map(({ id }) => id))
  const categories = new Set(known.categories.map(({ id }) => id))
  const detections: Detection[] = []
  const { root } = readJsonRecords(file, {
    lists: [''],
    record: (_, value, __, path) => {
      const record = new CocoRecord(file, path, value)
      const imageId = record.id('image_id')
      if (!images.has(imageId)) {
        record.refuse(
          'image_id',
          unlisted('image', imageId),
          'give the annotations that the detector was run on',
        )
      }
      const categoryId = record.id('category_id')
      if (!categories.has(categoryId)) {
        record.refuse(
          'category_id',
          unlisted('category', categoryId),
          "translate the detector's classes to the ids of the annotations, which may have gaps; remove what has none",
        )
      }
      detections.push({ imageId, categoryId, box: record.box('bbox'), score: record.finite('score') })
    },
    onProgress,
  })
  if (root === 'array') return detections
  return fail({
    kind: 'data',
    message:
      'expected a list of detections, [{"image_id", "category_id", "bbox", "score"}, …]; found an object',
    where: file,
    help: 'pass the annotations first, then the detections',
  })
}
