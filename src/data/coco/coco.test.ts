import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../../base/errors.ts'
import { readCocoAnnotations } from './annotations.ts'
import { readCocoResults } from './results.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-coco-'))
const file = join(folder, 'a.json')

it('a value that is nested 50,000 deep where it should not be is refused with its beginning', () => {
  const deep = (open: string, close: string): string => open.repeat(50_000) + close.repeat(50_000)
  const lists = { images: [image], categories: [category], annotations: [object] }
  const text = JSON.stringify(lists)
  for (const [wrong, place] of [
    [text.replace('"image_id":42', `"image_id":${deep('[', ']')}`), 'annotations[0].image_id'],
    [text.replace('"file_name":"a.jpg"', `"file_name":${deep('[', ']')}`), 'images[0].file_name'],
    [text.replace('"bbox":[1.5,', `"bbox":[${deep('[', ']')},`), 'annotations[0].bbox[0]'],
    [text.replace('"name":"toothbrush"', `"name":{"a":${deep('[', ']')}}`), 'categories[0].name'],
  ] as const) {
    writeFileSync(file, wrong)
    const refused = refusal(() => readCocoAnnotations(file))
    expect(refused).toContain(place)
    expect(refused).toContain('[[[[[[')
    expect(refused.length).toBeLessThan(600)
  }
})

const image = { id: 42, file_name: 'a.jpg', width: 640, height: 480, license: 3 }
const category = { id: 90, name: 'toothbrush', supercategory: 'indoor' }
const object = {
  id: 7,
  image_id: 42,
  category_id: 90,
  bbox: [1.5, 2, 30, 40],
  area: 500.25,
  iscrowd: 0,
  segmentation: [[1, 2, 3, 4, 5, 6]],
}
const detection = { image_id: 42, category_id: 90, bbox: [1, 2, 3, 4], score: 0.5 }
const known = { images: [{ id: 42 }], categories: [{ id: 90 }] }

function annotations(changes: object) {
  writeFileSync(
    file,
    JSON.stringify({ images: [image], categories: [category], annotations: [object], ...changes }),
  )
  return readCocoAnnotations(file)
}

function results(value: unknown) {
  writeFileSync(file, JSON.stringify(value))
  return readCocoResults(file, known)
}

function refusal(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    expect(error.kind).toBe('data')
    expect(error.help).toBeDefined()
    return `${error.message} @ ${error.where?.replace(file, 'FILE')}`
  }
  return 'none'
}

describe('an annotation file', () => {
  it('gives images, categories and boxes, regardless of other members and their order', () => {
    const { images, categories, annotations: objects } = annotations({ info: { year: 2017 }, licenses: [{}] })
    expect(images).toEqual([{ id: 42, fileName: 'a.jpg', width: 640, height: 480 }])
    expect(categories).toEqual([{ id: 90, name: 'toothbrush', supercategory: 'indoor' }])
    expect(objects).toEqual([
      { id: 7, imageId: 42, categoryId: 90, box: [1.5, 2, 30, 40], area: 500.25, crowd: false },
    ])
    writeFileSync(file, JSON.stringify({ annotations: [object], categories: [category], images: [image] }))
    expect(readCocoAnnotations(file).annotations).toEqual(objects)
  })

  it('may have images without objects, crowds, and leave out what evaluation does not need', () => {
    const { iscrowd: _, ...plain } = object
    const read = annotations({
      images: [image, { id: 3 }],
      categories: [category, { id: 1 }],
      annotations: [plain, { ...object, id: 8, iscrowd: 1 }, { ...object, id: 9, iscrowd: true }],
    })
    expect(read.images[1]).toEqual({ id: 3, fileName: null, width: null, height: null })
    expect(read.categories[1]).toEqual({ id: 1, name: 'category 1', supercategory: null })
    expect(read.annotations.map(({ crowd }) => crowd)).toEqual([false, true, true])
  })

  it.each<[string, object]>([
    [
      'expected images, categories and annotations; there is no list of annotations @ FILE',
      { annotations: undefined },
    ],
    ['expected a list, found "{}}" @ FILE, annotations, byte', { annotations: {} }],
    ['expected an object, got 5 @ FILE, annotations[1]', { annotations: [object, 5] }],
    ['expected the member id, found none @ FILE, images[0].id', { images: [{}] }],
    ['expected a whole number, got "42" @ FILE, images[0].id', { images: [{ id: '42' }] }],
    ['expected a whole number, got 1.5 @ FILE, categories[0].id', { categories: [{ id: 1.5 }] }],
    ['expected a string, got 5 @ FILE, categories[0].name', { categories: [{ ...category, name: 5 }] }],
    ['expected a number of pixels, got -1 @ FILE, images[0].width', { images: [{ ...image, width: -1 }] }],
    ['expected an id of its own, got 42 a second time @ FILE, images[1].id', { images: [image, image] }],
    [
      'expected an id of its own, got 7 a second time @ FILE, annotations[1].id',
      { annotations: [object, object] },
    ],
    [
      'expected [x, y, width, height], got [1,2,3] @ FILE, annotations[0].bbox',
      { annotations: [{ ...object, bbox: [1, 2, 3] }] },
    ],
    [
      'expected a width from 0, got -3 @ FILE, annotations[0].bbox[2]',
      { annotations: [{ ...object, bbox: [1, 2, -3, 4] }] },
    ],
    [
      'expected a finite number, got "4" @ FILE, annotations[0].bbox[3]',
      { annotations: [{ ...object, bbox: [1, 2, 3, '4'] }] },
    ],
    [
      'expected a finite number, got null @ FILE, annotations[0].bbox[0]',
      { annotations: [{ ...object, bbox: [null, 2, 3, 4] }] },
    ],
    [
      'expected the member area, found none @ FILE, annotations[0].area',
      { annotations: [{ ...object, area: undefined }] },
    ],
    [
      'expected a number from 0, got -1 @ FILE, annotations[0].area',
      { annotations: [{ ...object, area: -1 }] },
    ],
    ['expected 0 or 1, got 2 @ FILE, annotations[0].iscrowd', { annotations: [{ ...object, iscrowd: 2 }] }],
    [
      'expected the id of an image listed in the annotations, got 43 @ FILE, annotations[0].image_id',
      { annotations: [{ ...object, image_id: 43 }] },
    ],
    [
      'expected the id of a category listed in the annotations, got 1 @ FILE, annotations[1].category_id',
      { annotations: [object, { ...object, id: 8, category_id: 1 }] },
    ],
  ])('with an error is refused: %s', (expected, changes) => {
    expect(refusal(() => annotations(changes))).toContain(expected)
  })

  it('is not a list of detections', () => {
    writeFileSync(file, JSON.stringify([detection]))
    expect(refusal(() => readCocoAnnotations(file))).toContain('found a list @ FILE')
  })

  it('whose numbers are too large for a double is refused', () => {
    writeFileSync(
      file,
      '{"images": [{"id": 1}], "categories": [], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1e999, 1]}]}',
    )
    expect(refusal(() => readCocoAnnotations(file))).toContain(
      'expected a finite number, got Infinity @ FILE, annotations[0].bbox[2]',
    )
  })
})

describe('a results file', () => {
  it('gives detections, whatever else they have, or none', () => {
    expect(
      results([
        { ...detection, segmentation: {}, id: 5 },
        { ...detection, score: -2 },
      ]),
    ).toEqual([
      { imageId: 42, categoryId: 90, box: [1, 2, 3, 4], score: 0.5 },
      { imageId: 42, categoryId: 90, box: [1, 2, 3, 4], score: -2 },
    ])
    expect(results([])).toEqual([])
  })

  it.each<[string, unknown]>([
    ['found an object @ FILE', { annotations: [detection] }],
    ['expected an object, got [1] @ FILE, [0]', [[1]]],
    [
      'expected the member score, found none @ FILE, [1].score',
      [detection, { ...detection, score: undefined }],
    ],
    ['expected a finite number, got null @ FILE, [0].score', [{ ...detection, score: null }]],
    ['expected [x, y, width, height], got [] @ FILE, [0].bbox', [{ ...detection, bbox: [] }]],
    ['expected the member bbox, found none @ FILE, [0].bbox', [{ image_id: 42, category_id: 90, score: 1 }]],
    ['expected a height from 0, got -4 @ FILE, [0].bbox[3]', [{ ...detection, bbox: [1, 2, 3, -4] }]],
    [
      'expected the id of an image listed in the annotations, got 1 @ FILE, [0].image_id',
      [{ ...detection, image_id: 1 }],
    ],
    [
      'expected the id of a category listed in the annotations, got 91 @ FILE, [0].category_id',
      [{ ...detection, category_id: 91 }],
    ],
  ])('with an error is refused: %s', (expected, value) => {
    expect(refusal(() => results(value))).toContain(expected)
  })

  it('with a score that Python wrote as NaN says so', () => {
    writeFileSync(file, '[{"image_id": 42, "category_id": 90, "bbox": [1, 2, 3, 4], "score": NaN}]')
    expect(refusal(() => readCocoResults(file, known))).toContain(
      'expected a number, found NaN, which JSON does not have @ FILE, [0]',
    )
  })
})
