/**
 * What an ONNX node computes, where its op alone does not say it. It is no part of a file; an engine that knows a better way
 * for the same may take it.
 */
export type Meaning = ChannelAffineMeaning | ConvolutionMeaning | InputGradientMeaning | KernelGradientMeaning

/** A `BatchNormalization` that is no more than x · scale + shift with its second and third input: mean 0, variance 1. */
export interface ChannelAffineMeaning {
  readonly kind: 'channelAffine'
}

/** A `Conv` without groups. */
export interface ConvolutionMeaning {
  readonly kind: 'convolution'
  /** C and O of its kernel [O, C, U, V]. */
  readonly channels: Channels
  /** H and W of what it reads, where they are known beforehand, and N; undefined where that is known only when the graph runs. */
  readonly extents?: {
    readonly images: number | undefined
    readonly height: number
    readonly width: number
  }
  /** The name of the kernel [C, O, U, V] of which its own is a copy turned by 180° in space, with its channels swapped. */
  readonly turned?: string
}

/** A `ConvTranspose` of dy [N, O, I, J] and a kernel, in this order: the gradient of a convolution with respect to its x. */
export interface InputGradientMeaning {
  readonly kind: 'inputGradient'
  readonly of: Convolution
}

/** The last of the nodes that compute the gradient [O, C, U, V] of a convolution with respect to its kernel. */
export interface KernelGradientMeaning {
  readonly kind: 'kernelGradient'
  readonly of: Convolution
  /** Names of the values x [N, C, H, W] and dy [N, O, I, J]. */
  readonly x: string
  readonly dy: string
}

/** A convolution without groups and dilation, of x [N, C, H, W] with a kernel [O, C, U, V], that gives y [N, O, I, J]. */
export interface Convolution {
  /** N; undefined where it is known only when the graph runs. */
  readonly images: number | undefined
  /** C and O. */
  readonly channels: Channels
  /** H and W, I and J, U and V. */
  readonly from: Extents
  readonly to: Extents
  readonly kernel: Extents
  readonly stride: number
  readonly padding: number
}

/** How many channels a convolution reads and gives. */
export interface Channels {
  readonly inputs: number
  readonly outputs: number
}

/** Down and across. */
export type Extents = readonly [number, number]

/** The same with other names for the values that it speaks of. */
export function renamed(meaning: Meaning, rename: (name: string) => string): Meaning {
  switch (meaning.kind) {
    case 'convolution':
      return meaning.turned === undefined ? meaning : { ...meaning, turned: rename(meaning.turned) }
    case 'channelAffine':
    case 'inputGradient':
      return meaning
    case 'kernelGradient':
      return { ...meaning, x: rename(meaning.x), dy: rename(meaning.dy) }
  }
}
