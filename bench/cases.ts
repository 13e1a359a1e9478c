/** A training step that is timed: a ResNet-18 with the CIFAR stem on images of 32×32 of 100 classes. */
export interface Case {
  readonly name: string
  readonly title: string
  readonly batch: number
  /** Channels of the first stage. */
  readonly width: number
  readonly optimizer: 'adam' | 'sgd'
  readonly labelSmoothing: number
  /** The stage that is a ResBlock-MoE with a GAP-FC gate and the importance loss, as METHOD.md §1 has it. */
  readonly moe: { readonly position: number; readonly experts: number; readonly k: number } | null
}

export const classes = 100

const paper = { batch: 128, width: 64, optimizer: 'adam', labelSmoothing: 0 } as const

function mixture(experts: number, position: number): Case {
  const name = `resblock-e${experts}-p${position}`
  return {
    ...paper,
    name,
    title: `ResBlock-MoE, E=${experts}, K=2, p=${position}`,
    moe: { position, experts, k: 2 },
  }
}

export const cases: readonly Case[] = [
  { ...paper, name: 'dense', title: 'ResNet-18', moe: null },
  ...[1, 2, 3, 4].map(position => mixture(4, position)),
  mixture(10, 4),
  {
    name: 'narrow',
    title: 'ResNet-18, width 24',
    batch: 256,
    width: 24,
    optimizer: 'sgd',
    labelSmoothing: 0.1,
    moe: null,
  },
]
