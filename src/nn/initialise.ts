import type { Draws } from '../base/random.ts'
import { sizeOf } from '../base/tensor.ts'

/** First values of a parameter or statistic, from the random numbers of its place: a new array each time, which is given away. */
export type Initialiser = (shape: readonly number[], source: Draws) => Float32Array

/** First values of parameters, as torch and torchvision choose them. */

/** The same value everywhere. */
export function constant(value: number): Initialiser {
  return shape => new Float32Array(sizeOf(shape)).fill(value)
}

/** All 0, as torch begins biases of BatchNorm. */
export const zeros = constant(0)
/** All 1, as torch begins weights of BatchNorm. */
export const ones = constant(1)

/** How many inputs each output sees: for [O, C, kH, kW] C·kH·kW, for [O, C] C. */
function fanIn(shape: readonly number[]): number {
  return sizeOf(shape.slice(1))
}

/** He et al. 2015, over the outputs, for relu: normal with std √(2 / (O·kH·kW)). Torchvision's for ResNet convolutions. */
export const kaimingNormal: Initialiser = (shape, source) => {
  const fanOut = shape[0]! * sizeOf(shape.slice(2))
  const deviation = Math.sqrt(2 / fanOut)
  return Float32Array.from({ length: sizeOf(shape) }, () => source.normal() * deviation)
}

/** Torch's default for weights: Kaiming-uniform with a = √5, which is uniform in ±1/√fanIn. */
export const kaimingUniform: Initialiser = (shape, source) =>
  uniform(1 / Math.sqrt(fanIn(shape)))(shape, source)

/** Torch's default for a bias: uniform in ±1/√(inputs of its layer). */
export function biasOf(weightShape: readonly number[]): Initialiser {
  return uniform(1 / Math.sqrt(fanIn(weightShape)))
}

function uniform(bound: number): Initialiser {
  return (shape, source) => Float32Array.from({ length: sizeOf(shape) }, () => source.between(-bound, bound))
}
