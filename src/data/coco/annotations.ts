import { fail } from '../../base/errors.ts'
import { readJsonRecords } from '../../files/json-records.ts'
import { type Box, CocoRecord, isNew, unlisted } from './record.ts'

/** An image of an annotation file. Name and extents are null where the file does not have them. */
export interface CocoImage {
  readonly id: number
  /** As in the file, unchecked. */
  readonly fileName: string | null
  /** In pixels. */
  readonly width: number | null
  readonly height: number | null
}

/** A category of an annotation file. Ids may have gaps: those of COCO's 80 run from 1 to 90. */
export interface CocoCategory {
  readonly id: number
  /** `category 7` where the file has no name. */
  readonly name: string
  readonly supercategory: string | null
}

/** One object, or one crowd of objects, in an image. */
export interface CocoAnnotation {
  readonly id: number
  readonly imageId: number
  readonly categoryId: number
  /** In pixels. */
  readonly box: Box
  /** In square pixels: of the object's outline, so usually less than of its box. It determines the size category. */
  readonly area: number
  /** Whether it stands for a group of objects that are not annotated individually. */
  readonly crowd: boolean
}

/** The content of an annotation file, in file order. */
export interface CocoAnnotations {
  readonly images: readonly CocoImage[]
  readonly categories: readonly CocoCategory[]
  readonly annotations: readonly CocoAnnotation[]
}

/**
 * Reads boxes from an annotation file in COCO's format (cocodataset.org/#format-data), record by record; outlines and
 * other members are skipped. Uses about 200 bytes of memory per annotation.
 *
 * @param onProgress - called with the bytes read and the total
 * @throws MoietyError of kind `data` that names file, record and member: what `readJsonRecords` refuses; a member of the
 *   wrong type or missing; a box that is not four finite numbers or has a negative extent; an id twice; an annotation
 *   of an image or a category that is not in the file
 */
export function readCocoAnnotations(
  file: string,
  onProgress?: (done: number, total: number) => void,
): CocoAnnotations {
  const images: CocoImage[] = []
  const categories: CocoCategory[] = []
  const annotations: CocoAnnotation[] = []
  const seen = {
    images: new Set<number>(),
    categories: new Set<number>(),
    annotations: new Set<number>(),
  }
  const idOf = (record: CocoRecord, list: keyof typeof seen): number => {
    const id = record.id('id')
    if (!isNew(seen[list], id)) record.refuse('id', `expected an id of its own, got ${id} a second time`)
    return id
  }
  const take = (list: string, record: CocoRecord): void => {
    if (list === 'images') images.push(imageOf(record, idOf(record, list)))
    else if (list === 'categories') categories.push(categoryOf(record, idOf(record, list)))
    else annotations.push(annotationOf(record, idOf(record, 'annotations')))
  }
  const lists = ['images', 'categories', 'annotations']
  const { root, lengths } = readJsonRecords(file, {
    lists,
    record: (list, value, _, path) => take(list, new CocoRecord(file, path, value)),
    onProgress,
  })
  const missing = lists.filter(list => !lengths.has(list))
  if (missing.length > 0) {
    fail({
      kind: 'data',
      message:
        root === 'array'
          ? 'expected annotations, an object with images, categories and annotations; found a list'
          : `expected images, categories and annotations; there is no list of ${missing.join(', nor of ')}`,
      where: file,
      help:
        root === 'array' ? 'pass the annotations first, then the detections' : 'is it an annotation file?',
    })
  }
  for (const [i, { imageId, categoryId }] of annotations.entries()) {
    if (seen.images.has(imageId) && seen.categories.has(categoryId)) continue
    const isImage = !seen.images.has(imageId)
    fail({
      kind: 'data',
      message: isImage ? unlisted('image', imageId) : unlisted('category', categoryId),
      where: `${file}, annotations[${i}].${isImage ? 'image_id' : 'category_id'}`,
      help: `add the ${isImage ? 'image' : 'category'} to the file, or remove the annotation`,
    })
  }
  return { images, categories, annotations }
}

function imageOf(record: CocoRecord, id: number): CocoImage {
  return {
    id,
    fileName: record.text('file_name'),
    width: record.extent('width'),
    height: record.extent('height'),
  }
}

function categoryOf(record: CocoRecord, id: number): CocoCategory {
  return { id, name: record.text('name') ?? `category ${id}`, supercategory: record.text('supercategory') }
}

function annotationOf(record: CocoRecord, id: number): CocoAnnotation {
  return {
    id,
    imageId: record.id('image_id'),
    categoryId: record.id('category_id'),
    box: record.box('bbox'),
    area: record.nonNegative('area'),
    crowd: record.flag('iscrowd'),
  }
}
