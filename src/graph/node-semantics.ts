/**
 * The semantics of an ONNX node, where its op alone does not define them. Not written to files; an engine with a faster
 * implementation may use it.
 */
export type NodeSemantics =
  | ChannelAffineSemantics
  | ConvolutionSemantics
  | InputGradientSemantics
  | KernelGradientSemantics
  | WeightedRowsSemantics

/** A `BatchNormalization` that only computes x · scale + shift with its second and third input: mean 0, variance 1. */
export interface ChannelAffineSemantics {
  readonly kind: 'channelAffine'
}

/**
 * A `NonZero` of the rows with a positive weight, by which what is computed of each is multiplied: one more row, with weight 0, would
 * change no value and no gradient.
 */
export interface WeightedRowsSemantics {
  readonly kind: 'weightedRows'
}

/** A `Conv` without groups. */
export interface ConvolutionSemantics {
  readonly kind: 'convolution'
  /** C and O of its kernel [O, C, U, V]. */
  readonly channels: Channels
  /** H and W of its input, if known when the graph is built, and N; undefined if known only when it runs. */
  readonly extents?: {
    readonly images: number | undefined
    readonly height: number
    readonly width: number
  }
  /** The name of the kernel [C, O, U, V] of which its own kernel is a copy rotated by 180° in space, with its channels swapped. */
  readonly rotatedFrom?: string
}

/** A `ConvTranspose` of dy [N, O, I, J] and a kernel, in this order: the gradient of a convolution with respect to its x. */
export interface InputGradientSemantics {
  readonly kind: 'inputGradient'
  readonly of: Convolution
}

/** The last node of those that compute the gradient [O, C, U, V] of a convolution with respect to its kernel. */
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

/** Input and output channels of a convolution. */
export interface Channels {
  readonly inputs: number
  readonly outputs: number
}

/** Height and width. */
export type Extents = readonly [number, number]

/** The same semantics with renamed values. */
export function renamedSemantics(semantics: NodeSemantics, rename: (name: string) => string): NodeSemantics {
  switch (semantics.kind) {
    case 'convolution':
      return semantics.rotatedFrom === undefined
        ? semantics
        : { ...semantics, rotatedFrom: rename(semantics.rotatedFrom) }
    case 'channelAffine':
    case 'weightedRows':
    case 'inputGradient':
      return semantics
    case 'kernelGradient':
      return { ...semantics, x: rename(semantics.x), dy: rename(semantics.dy) }
  }
}
