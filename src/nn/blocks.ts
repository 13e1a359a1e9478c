import { add, relu, type Tensor } from '../graph/index.ts'
import { batchNorm, channelsOf, conv } from './layers.ts'
import type { Scope } from './scope.ts'

/** Residual blocks (He et al. 2015) with torchvision's names. Every one ends in a relu. */

/** Of a residual block (He et al. 2015); kernel sizes are the block's own. */
export interface BlockOptions {
  /** Channels inside. */
  readonly width: number
  /** Channels of the result. */
  readonly outputs: number
  readonly stride: number
  /** Builds the block's last convolution; default: a plain one. */
  readonly lastConv?: ConvBlock | undefined
}

/** A convolution of a block, at its scope. */
export type ConvBlock = (scope: Scope, x: Tensor, options: ConvShape) => Tensor

/** A convolution within a block: channels of the result, extent of the square kernel, stride. */
export interface ConvShape {
  readonly outputs: number
  readonly kernel: number
  readonly stride: number
}

/** Two 3×3 convolutions of `outputs` channels around a shortcut. `width` is ignored: both are of one width. */
export function basicBlock(scope: Scope, x: Tensor, { outputs, stride, lastConv }: BlockOptions): Tensor {
  const first = relu(convNorm(scope, x, 1, { outputs, kernel: 3, stride }))
  const second = convNorm(scope, first, 2, { outputs, kernel: 3, stride: 1 }, lastConv)
  return relu(add(second, shortcut(scope, x, { outputs, stride })))
}

/** 1×1 down to `width`, 3×3 (which takes the stride), 1×1 up to `outputs`, around a shortcut. */
export function bottleneck(
  scope: Scope,
  x: Tensor,
  { width, outputs, stride, lastConv }: BlockOptions,
): Tensor {
  const narrow = relu(convNorm(scope, x, 1, { outputs: width, kernel: 1, stride: 1 }))
  const seen = relu(convNorm(scope, narrow, 2, { outputs: width, kernel: 3, stride }))
  const wide = convNorm(scope, seen, 3, { outputs, kernel: 1, stride: 1 }, lastConv)
  return relu(add(wide, shortcut(scope, x, { outputs, stride })))
}

/** `convI` followed by `bnI`. */
function convNorm(
  scope: Scope,
  x: Tensor,
  number: number,
  options: ConvShape,
  build: ConvBlock = conv,
): Tensor {
  const y = scope.in(`conv${number}`, inner => build(inner, x, options))
  return scope.in(`bn${number}`, inner => batchNorm(inner, y))
}

/** x itself where the block keeps its shape, otherwise `downsample`: a 1×1 convolution and a BatchNorm. */
function shortcut(
  scope: Scope,
  x: Tensor,
  { outputs, stride }: Pick<BlockOptions, 'outputs' | 'stride'>,
): Tensor {
  if (stride === 1 && channelsOf(x) === outputs) return x
  return scope.in('downsample', inner => projection(inner, x, { outputs, stride }))
}

/** A 1×1 convolution (name `0`) and a BatchNorm (name `1`): changes channels and size only. */
export function projection(
  scope: Scope,
  x: Tensor,
  { outputs, stride }: { readonly outputs: number; readonly stride: number },
): Tensor {
  const y = scope.in('0', inner => conv(inner, x, { outputs, kernel: 1, stride }))
  return scope.in('1', inner => batchNorm(inner, y))
}
