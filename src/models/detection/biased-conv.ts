import { sizeOf } from '../../base/tensor.ts'
import { conv2d, type Tensor } from '../../graph/index.ts'
import { type Initialiser, type Scope, zeros } from '../../nn/index.ts'
import { biasOf } from '../../nn/initialise.ts'
import { channelsOf } from '../../nn/layers.ts'

/** Options of a detector's convolution; it keeps the extents, or halves them (rounded up) with stride 2. */
export interface BiasedConvOptions {
  readonly outputs: number
  readonly kernel: 1 | 3
  readonly stride?: 1 | 2
  readonly weight: Initialiser
  /** Default: all 0; `fan-in`: uniform in ±1/√fanIn, torch's default. */
  readonly bias?: Initialiser | 'fan-in'
}

/** A convolution with a bias: parameters `weight` [O, C, k, k] and `bias` [O], initialised by the detector. */
export function biasedConv(scope: Scope, x: Tensor, options: BiasedConvOptions): Tensor {
  const { outputs, kernel, stride = 1, weight, bias = zeros } = options
  const shape = [outputs, channelsOf(x), kernel, kernel]
  return conv2d(x, scope.parameter('weight', shape, weight), {
    stride,
    padding: (kernel - 1) / 2,
    bias: scope.parameter('bias', [outputs], bias === 'fan-in' ? biasOf(shape) : bias),
  })
}

/** Normal with this standard deviation. */
export function normal(deviation: number): Initialiser {
  return (shape, source) => Float32Array.from({ length: sizeOf(shape) }, () => source.normal() * deviation)
}

/** Kaiming-uniform with a = 1, which is uniform in ±√(3 / fanIn) and keeps the variance: torchvision's for pyramids. */
export const variancePreserving: Initialiser = (shape, source) => {
  const bound = Math.sqrt(3 / sizeOf(shape.slice(1)))
  return Float32Array.from({ length: sizeOf(shape) }, () => source.between(-bound, bound))
}
