import { sizeOf } from '../../base/tensor.ts'
import { conv2d, type Tensor } from '../../graph/index.ts'
import { type Initialiser, type Scope, zeros } from '../../nn/index.ts'
import { biasOf } from '../../nn/initialise.ts'
import { channelsOf } from '../../nn/layers.ts'

/** What a convolution of a detector is made of; it keeps the extents, or halves them (rounded up) with stride 2. */
export interface BiasedConvOptions {
  readonly outputs: number
  readonly kernel: 1 | 3
  readonly stride?: 1 | 2
  readonly weight: Initialiser
  /** All 0 when not given; `fan-in`: uniform in ±1/√fanIn, torch's default. */
  readonly bias?: Initialiser | 'fan-in'
}

/** A convolution with a bias: parameters `weight` [O, C, k, k] and `bias` [O], whose first values the detector chooses. */
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
