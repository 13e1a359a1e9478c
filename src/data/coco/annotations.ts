import { basename } from 'node:path'
import { fail } from '../../base/errors.ts'
import { readJsonRecords } from '../../files/json-records.ts'
import { excerpt } from '../../files/json-text.ts'
import type { ProblemKind } from '../problem-kinds.ts'
import type { Problems } from '../problems.ts'
import { outlineExtent } from './outline.ts'
import { type Box, CocoRecord, isNew, type RecordKey, unlisted } from './record.ts'

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

/** How an annotation file is read. */
export interface ReadCocoOptions {
  /** Called with the bytes read and the total. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Collects mistakes that are repaired; where it is left out they are refused. */
  readonly problems?: Problems | undefined
}

/**
 * Reads boxes from an annotation file in COCO's format (cocodataset.org/#format-data), `.json` or `.json.gz`, record by record;
 * members that are not needed are skipped. Uses about 200 bytes of memory per annotation.
 *
 * With `problems`, these mistakes are repaired and counted: ids, areas, `iscrowd` and boxes that are missing; ids that are text
 * or occur twice; annotations of images or, if few, of categories that are not in the file.
 *
 * @throws MoietyError of kind `data` that names file, record and member: what `readJsonRecords` refuses; a member of the
 *   wrong type or missing; a box that is not four finite numbers or has a negative extent; an id twice; an annotation
 *   of an image or a category that is not in the file
 */
export function readCocoAnnotations(file: string, options: ReadCocoOptions = {}): CocoAnnotations {
  const reader = new AnnotationReader(file, options.problems)
  const lists = ['images', 'categories', 'annotations']
  const { root, lengths, hasMark } = readJsonRecords(file, {
    lists,
    record: (list, value, _, path) => {
      const take = (): void => reader.take(list, new CocoRecord(file, path, value))
      if (options.problems === undefined) take()
      else options.problems.unlessRefused('record', take)
    },
    onProgress: options.onProgress,
  })
  if (hasMark) options.problems?.add('byte-order-mark', file, basename(file))
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
  return reader.result()
}

/** A record with its id as the file has it. */
interface Keyed {
  readonly key: RecordKey
}

interface RawAnnotation extends Keyed {
  readonly imageKey: RecordKey
  readonly categoryKey: RecordKey
  readonly box: Box
  readonly area: number
  readonly crowd: boolean
}

/** Fraction of annotations of unlisted categories above which a file is refused: it lacks categories. */
const mostUnknown = 0.1

class AnnotationReader {
  readonly #file: string
  readonly #problems: Problems | undefined
  readonly #images: (Omit<CocoImage, 'id'> & Keyed)[] = []
  readonly #categories: (Omit<CocoCategory, 'id' | 'name'> & Keyed & { name: string | null })[] = []
  readonly #annotations: RawAnnotation[] = []
  readonly #names = {
    images: new Map<RecordKey, string | null>(),
    categories: new Map<RecordKey, string | null>(),
  }
  readonly #ids = new Set<number>()

  constructor(file: string, problems: Problems | undefined) {
    this.#file = file
    this.#problems = problems
  }

  take(list: string, record: CocoRecord): void {
    if (list === 'annotations') {
      const annotation = this.#annotation(record)
      if (annotation !== undefined) this.#annotations.push(annotation)
      return
    }
    const isImage = list === 'images'
    const name = record.text(isImage ? 'file_name' : 'name')
    const key = this.#listedKey(record, isImage ? 'images' : 'categories', name)
    if (key === undefined) return
    if (isImage)
      this.#images.push({
        ...{ key, fileName: name, width: record.extent('width'), height: record.extent('height') },
      })
    else this.#categories.push({ key, name, supercategory: record.text('supercategory') })
  }

  result(): CocoAnnotations {
    const imageIds = numbered(this.#images)
    const categoryIds = numbered(this.#categories)
    const byName = new Map(this.#categories.map(({ name }, i) => [name, categoryIds.list[i]!]))
    let free = this.#ids.size === 0 ? 1 : [...this.#ids].reduce((most, id) => Math.max(most, id), 0) + 1
    const unknown: { readonly at: number; readonly key: RecordKey }[] = []
    const annotations = this.#annotations.flatMap((annotation, at): CocoAnnotation[] => {
      const { key, imageKey, categoryKey, box, area, crowd } = annotation
      const imageId = imageIds.byKey.get(imageKey)
      if (imageId === undefined) {
        this.#repair('absent-image', at, 'image_id', imageKey)
        return []
      }
      const categoryId =
        categoryIds.byKey.get(categoryKey) ??
        (this.#problems && typeof categoryKey === 'string' ? byName.get(categoryKey) : undefined)
      if (categoryId === undefined) {
        unknown.push({ at, key: categoryKey })
        if (this.#problems === undefined) this.#refuseUnlisted(at, 'category_id', categoryKey)
        return []
      }
      return [{ id: typeof key === 'number' ? key : free++, imageId, categoryId, box, area, crowd }]
    })
    this.#problems?.unlessRefused('whole', () => {
      if (unknown.length > mostUnknown * this.#annotations.length)
        this.#refuseUnlisted(unknown[0]!.at, 'category_id', unknown[0]!.key)
    })
    for (const { at, key } of unknown) this.#repair('unknown-category', at, 'category_id', key)
    this.#problems?.unlessRefused('whole', () => {
      if (annotations.length === 0 && this.#annotations.length > 0)
        this.#refuseUnlisted(0, 'image_id', this.#annotations[0]!.imageKey)
    })
    return {
      images: this.#images.map(({ key: _, ...image }, i) => ({ id: imageIds.list[i]!, ...image })),
      categories: this.#categories.map(({ name, supercategory }, i) => {
        const id = categoryIds.list[i]!
        return { id, name: name ?? `category ${id}`, supercategory }
      }),
      annotations,
    }
  }

  /** The id of an image or a category; undefined for one that is listed again. */
  #listedKey(record: CocoRecord, list: 'images' | 'categories', name: string | null): RecordKey | undefined {
    const names = this.#names[list]
    const key = this.#problems === undefined ? record.id('id') : record.key('id')
    if (key === null) {
      this.#problems?.add('missing-id', this.#file, record.path)
      return null
    }
    if (typeof record.value('id') === 'string') this.#problems?.add('text-id', this.#file, record.path)
    if (!names.has(key)) {
      names.set(key, name)
      return key
    }
    if (this.#problems === undefined || names.get(key) !== name)
      record.refuse('id', `expected an id of its own, got ${excerpt(key)} a second time`)
    this.#problems.add('duplicate-record', this.#file, record.path)
    return undefined
  }

  #annotation(record: CocoRecord): RawAnnotation | undefined {
    const problems = this.#problems
    if (problems === undefined) {
      const key = record.id('id')
      if (!isNew(this.#ids, key)) record.refuse('id', `expected an id of its own, got ${key} a second time`)
      return {
        key,
        imageKey: record.id('image_id'),
        categoryKey: record.id('category_id'),
        box: record.box('bbox'),
        area: record.nonNegative('area'),
        crowd: record.flag('iscrowd'),
      }
    }
    const note = (kind: ProblemKind): void => problems.add(kind, this.#file, record.path)
    const bbox = record.value('bbox')
    const isBoxed = bbox !== null && !(Array.isArray(bbox) && bbox.length === 0)
    const given = record.value('area')
    const hasArea = given !== null && given !== 0
    const outline = isBoxed && hasArea ? undefined : outlineExtent(record.value('segmentation'))
    const key = this.#annotationKey(record, note)
    const imageKey = record.key('image_id')
    const categoryKey = record.key('category_id')
    if (typeof record.value('category_id') === 'string') note('text-category')
    if (typeof record.value('image_id') === 'string') note('text-id')
    const crowd = crowdOf(record, note)
    const box = isBoxed ? record.box('bbox') : outline?.box
    if (box === undefined) {
      note('object-without-box')
      return undefined
    }
    if (!isBoxed) note('box-from-outline')
    // A box without an extent is left out later, and its area of 0 is right.
    const needsArea = !hasArea && (given === null || box[2] * box[3] > 0)
    if (needsArea) note('missing-area')
    const area = needsArea ? outline?.area || box[2] * box[3] : record.nonNegative('area')
    return { key, imageKey, categoryKey, box, area, crowd }
  }

  #annotationKey(record: CocoRecord, note: (kind: ProblemKind) => void): RecordKey {
    const key = record.key('id')
    if (typeof record.value('id') === 'string') note('text-id')
    if (key === null) note('missing-id')
    if (typeof key !== 'number') return null
    if (isNew(this.#ids, key)) return key
    note('duplicate-id')
    return null
  }

  #repair(kind: ProblemKind, at: number, member: 'image_id' | 'category_id', key: RecordKey): void {
    if (this.#problems === undefined) this.#refuseUnlisted(at, member, key)
    this.#problems.add(kind, this.#file, `annotations[${at}] of ${excerpt(key)}`)
  }

  #refuseUnlisted(at: number, member: 'image_id' | 'category_id', key: RecordKey): never {
    const what = member === 'image_id' ? 'image' : 'category'
    return fail({
      kind: 'data',
      message: unlisted(what, key),
      where: `${this.#file}, annotations[${at}].${member}`,
      help: `add the ${what} to the file, or remove the annotation`,
    })
  }
}

/** Numbers for the ids of records; those that are text or missing come after the largest number. */
function numbered(records: readonly Keyed[]): {
  readonly list: readonly number[]
  readonly byKey: ReadonlyMap<RecordKey, number>
} {
  let free = 0
  for (const { key } of records) if (typeof key === 'number') free = Math.max(free, key)
  const list = records.map(({ key }) => (typeof key === 'number' ? key : ++free))
  const byKey = new Map(records.map(({ key }, i) => [key, list[i]!]))
  byKey.delete(null)
  return { list, byKey }
}

const crowdWords = new Map([
  ...['', '0', '0.0', 'false', 'no', 'none', 'null'].map(word => [word, false] as const),
  ...['1', '1.0', 'true', 'yes'].map(word => [word, true] as const),
])

function crowdOf(record: CocoRecord, note: (kind: ProblemKind) => void): boolean {
  const value = record.value('iscrowd')
  const crowd = typeof value === 'string' ? crowdWords.get(value.trim().toLowerCase()) : undefined
  if (value === null) note('missing-iscrowd')
  if (crowd !== undefined) note('text-iscrowd')
  return crowd ?? (value === null ? false : record.flag('iscrowd'))
}
