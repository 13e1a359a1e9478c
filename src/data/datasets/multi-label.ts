import { datasetFacts } from './dataset-facts.ts'

/** Opened by `openMultiLabel`. */
export const multiLabel = datasetFacts({
  name: 'multi-label',
  task: 'multi-label',
  source: 'user',
  title: 'images with several labels each',
  description:
    'Your images with any number of labels each, from labels.csv, labels.json or labels.jsonl (docs/guide/multi-label.md).',
  folder: {
    holds: 'the labels',
    help: 'add --data DIR, with labels.csv, labels.json or labels.jsonl in it (docs/guide/multi-label.md)',
  },
  size: { usual: 32, photographs: 224 },
})
