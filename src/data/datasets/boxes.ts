import { datasetFacts } from './dataset-facts.ts'

/** Sides as in METHOD.md §5.1. */
const common = {
  task: 'detection',
  source: 'user',
  folder: {
    holds: 'annotations and images',
    help: 'add --data DIR, with annotations and images (docs/guide/detection-data.md)',
  },
  size: { usual: 1024 },
  shortest: 608,
} as const

/** Opened by `openBoxes`, as is every folder with boxes. */
export const coco = datasetFacts({
  name: 'coco',
  ...common,
  title: 'COCO, or a folder in its format',
  description:
    "For detectors: your images with annotations in the layout and the names of COCO's own files (docs/guide/detection-data.md).",
})

/** Opened by `openBoxes`. */
export const boxes = datasetFacts({
  name: 'boxes',
  ...common,
  title: 'a folder of images with boxes',
  description:
    'For detectors: your images with annotations in any other layout of COCO, of YOLO or of Pascal VOC, as tools export them.',
})
