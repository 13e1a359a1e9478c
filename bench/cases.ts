/** What is timed: a ResNet-18 with the CIFAR stem on images of 100 classes, in training or as exported. */
export interface Case {
  readonly name: string
  readonly title: string
  /** A whole training step, or the exported file on images. */
  readonly task: 'training' | 'inference'
  /** How often it runs in a turn; a single run of a few milliseconds would measure the clock. */
  readonly runs: number
  readonly batch: number
  /** Height and width of an image. */
  readonly size: number
  /** Channels of the first stage. */
  readonly width: number
  readonly optimizer: 'adam' | 'sgd'
  readonly labelSmoothing: number
  /** The stage that is a ResBlock-MoE with a GAP-FC gate and the importance loss, as METHOD.md §1 has it. */
  readonly moe: { readonly position: number; readonly experts: number; readonly k: number } | null
}

export const classes = 100

const paper = {
  task: 'training',
  runs: 1,
  batch: 128,
  size: 32,
  width: 64,
  optimizer: 'adam',
  labelSmoothing: 0,
} as const

function mixture(experts: number, position: number): Case {
  const name = `resblock-e${experts}-p${position}`
  return {
    ...paper,
    name,
    title: `ResBlock-MoE, E=${experts}, K=2, p=${position}`,
    moe: { position, experts, k: 2 },
  }
}

/** The network of a case as it is exported, on one image and on 128. */
function exported(trained: Case): Case[] {
  return [1, 128].map(batch => exportedOn(trained, batch, batch === 1 ? 40 : 2))
}

function exportedOn(trained: Case, batch: number, runs: number): Case {
  return {
    ...trained,
    name: `${trained.name}-exported-${batch}`,
    title: `${trained.title}, exported`,
    task: 'inference',
    runs,
    batch,
  }
}

const dense: Case = { ...paper, name: 'dense', title: 'ResNet-18', moe: null }

export const cases: readonly Case[] = [
  dense,
  ...[1, 2, 3, 4].map(position => mixture(4, position)),
  mixture(10, 4),
  {
    ...paper,
    name: 'narrow',
    title: 'ResNet-18, width 24',
    batch: 256,
    width: 24,
    optimizer: 'sgd',
    labelSmoothing: 0.1,
    moe: null,
  },
  ...exported(dense),
  ...exported(mixture(4, 4)),
]

/** What is timed beside other libraries of TypeScript, small enough for the slowest of them. */
export const alternativeCases: readonly Case[] = [
  exportedOn(dense, 1, 5),
  exportedOn(dense, 16, 1),
  { ...paper, name: 'small', title: 'ResNet-18, width 8', batch: 8, width: 8, optimizer: 'sgd', moe: null },
]
