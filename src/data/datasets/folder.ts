import { datasetFacts } from './dataset-facts.ts'

/** Opened by `openFolder`. */
export const folder = datasetFacts({
  name: 'folder',
  task: 'classification',
  source: 'user',
  title: 'a folder of images',
  description:
    'Your images: class/image or superclass/class/image, as JPEG, PNG or WebP, also below folders for splits (train, val, test).',
  folder: { holds: 'the images', help: 'add --data DIR, with one folder a class in it' },
  size: { usual: 32, photographs: 224 },
})
