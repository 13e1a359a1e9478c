/** A measure whose value depends on how a problem was handled. */
export type AffectedMeasure = 'AP' | 'AP by size'

/** What a kind of problem is. */
export interface ProblemKindFacts {
  /** What was found, in words that follow a count. */
  readonly what: string
  /** What happened to it. */
  readonly handled: string
  /** Whether it repairs the data, which `data.strict` refuses. Other kinds state a convention or a policy of its own key. */
  readonly isRepair: boolean
  readonly changes?: AffectedMeasure
  /** Whether it is how the format is read, which needs no examples in words. */
  readonly isConvention?: true
}

const repair = (what: string, handled: string, changes?: AffectedMeasure): ProblemKindFacts => ({
  ...{ what, handled, isRepair: true },
  ...(changes === undefined ? {} : { changes }),
})
const notice = (what: string, handled: string, changes?: AffectedMeasure): ProblemKindFacts => ({
  ...repair(what, handled, changes),
  isRepair: false,
})

const convention = (what: string, handled: string, changes?: AffectedMeasure): ProblemKindFacts => ({
  ...notice(what, handled, changes),
  isConvention: true,
})

/** Every kind of problem that does not end the opening of a data set. */
export const problemKinds = {
  'byte-order-mark': repair('files beginning with a byte order mark', 'skipped'),
  backslashes: repair('file names with backslashes', 'read as /'),
  'percent-encoding': repair('file names with percent-encoded characters', 'decoded'),
  'unicode-form': repair('file names in another Unicode normal form than the files', 'matched'),
  'folder-prefix': notice(
    'file names that begin with a folder which is not below the folder of images',
    'read without it',
  ),
  'missing-id': repair('records without an id', 'numbered'),
  'duplicate-id': repair('annotation ids that occur more than once', 'numbered again'),
  'text-id': repair('ids that are text', 'replaced by numbers'),
  'text-category': repair('category ids that are text', 'read as the number or the name of a category'),
  'duplicate-record': repair('images or categories listed twice', 'used once'),
  'missing-size': repair('images without width or height', 'read from the image file'),
  'missing-area': repair(
    'objects without an area, or of area 0',
    'computed from the outline, or width × height',
    'AP by size',
  ),
  'missing-iscrowd': repair('annotations whose iscrowd is missing or null', 'read as 0'),
  'text-iscrowd': repair('annotations whose iscrowd is text', 'read as 0 or 1'),
  'box-from-outline': repair('objects without a box', 'the box of their outline', 'AP'),
  'object-without-box': repair('objects without a box or an outline', 'left out', 'AP'),
  'absent-image': repair('annotations of images that are not listed', 'left out'),
  'unknown-category': repair('objects of classes that are not listed', 'left out', 'AP'),
  'root-category': repair('unused categories that are only the supercategory of others', 'dropped'),
  'unreadable-label': repair('label lines that are not a class and a box or an outline', 'left out', 'AP'),
  'duplicate-object': repair('objects listed twice', 'used once', 'AP'),
  'unnamed-classes': repair('classes without a name', 'called by their number'),
  'class-count': repair('numbers of classes (nc) that differ from the names', 'the names are used'),
  'yaml-path': notice('paths in data.yaml that lead out of the folder', 'read relative to the folder'),
  'absent-split': repair('splits without images', 'left out'),
  'repeated-split': repair('splits that are the same images as train', 'left out'),
  'label-without-image': repair('label files without an image', 'left out'),
  'confidence-column': repair('label lines with a confidence behind the box', 'the confidence is ignored'),
  'turned-image': notice('images that EXIF turns', 'boxes turned to the pixels as they are stored'),
  'missing-annotation': repair('images of a split without an annotation file', 'left out'),
  'unannotated-image': notice('images without an annotation file', 'left out'),
  'background-image': convention('images without objects', 'used as background'),
  'outline-box': convention('outlines', 'reduced to their boxes, area from the outline'),
  'box-area': convention('objects of a format without areas', 'width × height', 'AP by size'),
  'corners-from-1': convention(
    'objects whose corners count from 1, as Pascal VOC defines them',
    '1 is subtracted from xmin and ymin',
  ),
  'corners-from-0': convention(
    'objects whose corners count from 0, because one of all is below 1',
    'used as edges',
  ),
  difficult: notice(
    'objects marked difficult',
    'treated as crowds: not trained on, ignored in evaluation',
    'AP',
  ),
  'box-without-extent': notice('boxes without an extent', 'left out', 'AP'),
  'box-outside': notice('boxes outside of their image', 'left out', 'AP'),
  'box-clipped': notice('boxes partly outside of their image', 'clipped to it', 'AP'),
  'box-below-pixel': notice('boxes smaller than a pixel', 'used'),
  missing: notice('missing', 'left out'),
  'leads-out': notice('behind a link that is broken or leaves the folder', 'left out'),
  'not-a-file': notice('not a file', 'left out'),
  unreadable: notice('unreadable', 'left out'),
} as const satisfies Record<string, ProblemKindFacts>

/** A kind of problem, as JSON has it. */
export type ProblemKind = keyof typeof problemKinds

/** What a kind of problem is. */
export const factsOf = (kind: ProblemKind): ProblemKindFacts => problemKinds[kind]

/** All problems of one kind. */
export interface Problem {
  readonly kind: ProblemKind
  readonly count: number
  /** The first three. */
  readonly examples: readonly string[]
  readonly handled: string
}

/** How handling a problem changed a measure. */
export interface MeasureChange {
  readonly measure: AffectedMeasure
  /** `12 objects without an area, or of area 0: computed from …`. */
  readonly text: string
}
