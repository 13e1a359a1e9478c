/**
 * What an ONNX node computes, where its op alone does not say it. It is no part of a file; an engine that knows a better way
 * for the same may take it.
 */
export type NodeSemantics =
  | ChannelAffineSemantics
  | ConvolutionSemantics
  | InputGradientSemantics
  | KernelGradientSemantics

/** A `BatchNormalization` that is no more than x · scale + shift with its second and third input: mean 0, variance 1. */
export interface ChannelAffineSemantics {
  readonly kind: 'channelAffine'
}

/** A `Conv` without groups. */
export interface ConvolutionSemantics {
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
export interface InputGradientSemantics {
  readonly kind: 'inputGradient'
  readonly of: Convolution
}

/** The last of the nodes that compute the gradient [O, C, U, V] of a convolution with respect to its kernel. */
export interface KernelGradientSemantics {
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
export function renamedSemantics(semantics: NodeSemantics, rename: (name: string) => string): NodeSemantics {
  switch (semantics.kind) {
    case 'convolution':
      return semantics.turned === undefined ? semantics : { ...semantics, turned: rename(semantics.turned) }
    case 'channelAffine':
    case 'inputGradient':
      return semantics
    case 'kernelGradient':
      return { ...semantics, x: rename(semantics.x), dy: rename(semantics.dy) }
  }
}
