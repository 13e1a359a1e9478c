import type { Draws } from '../base/random.ts'
import { sizeOf } from '../base/tensor.ts'

/** Initialises a parameter or statistic from the random numbers of its name: a new array each time, owned by the caller. */
export type Initialiser = (shape: readonly number[], source: Draws) => Float32Array

/** Initialisation of parameters, as in torch and torchvision. */

/** The same value everywhere. */
export function constant(value: number): Initialiser {
  return shape => new Float32Array(sizeOf(shape)).fill(value)
}

/** All 0, torch's initialisation of BatchNorm biases. */
export const zeros = constant(0)
/** All 1, torch's initialisation of BatchNorm weights. */
export const ones = constant(1)

/** Fan-in, the number of inputs per output: for [O, C, kH, kW] C·kH·kW, for [O, C] C. */
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
