import { datasetFacts } from './dataset-facts.ts'

const common = { task: 'classification', source: 'fetched', size: { usual: 32, range: [32, 32] } } as const

/** Opened by `openCifar`, as is CIFAR-100. */
export const cifar10 = datasetFacts({
  name: 'cifar10',
  ...common,
  title: 'CIFAR-10',
  description: '60,000 photographs in 10 classes, 32×32; 10,000 of them for testing.',
  hub: 'cifar10',
})

/** Opened by `openCifar`. */
export const cifar100 = datasetFacts({
  name: 'cifar100',
  ...common,
  title: 'CIFAR-100',
  description: '60,000 photographs in 100 classes and 20 superclasses, 32×32; 10,000 of them for testing.',
  hub: 'cifar100',
})
