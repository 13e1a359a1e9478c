import { kaimingNormal, kaimingUniform, zeros } from '../../nn/initialise.ts'
import { type BiasedConvOptions, normal, variancePreserving } from './biased-conv.ts'

/**
 * Initialisation of a detector's pyramid and heads (METHOD.md §5.3):
 *
 * | | `torchvision` | `original` |
 * |---|---|---|
 * | pyramid | uniform, variance 1/fanIn; bias 0 | normal, variance 2/fanOut; bias uniform in ±1/√fanIn |
 * | hidden convolutions of a plain head | normal, deviation 0.01; bias 0 | as the pyramid |
 * | output of a plain head | normal, deviation 0.01; bias 0 | weight 0, bias 0 |
 * | a head with a mixture in it | as a plain head | torch's default: weight and bias uniform in ±1/√fanIn |
 *
 * Not in this table: the bias of the classification output is the prior, unless disabled for a mixture.
 */
export type HeadInitialisation = 'torchvision' | 'original'

/** Initialisation of a convolution. */
export type ConvValues = Required<Pick<BiasedConvOptions, 'weight' | 'bias'>>

const lin: ConvValues = { weight: normal(0.01), bias: zeros }
const torchDefault: ConvValues = { weight: kaimingUniform, bias: 'fan-in' }
const original: ConvValues = { weight: kaimingNormal, bias: 'fan-in' }

/** Of every convolution of the pyramid. */
export function pyramidValues(from: HeadInitialisation): ConvValues {
  return from === 'original' ? original : { weight: variancePreserving, bias: zeros }
}

/** Of a head's hidden convolutions and of its output, in a head that is plain or has a mixture in it. */
export function headValues(
  from: HeadInitialisation,
  hasMixture: boolean,
): { readonly hidden: ConvValues; readonly output: ConvValues } {
  if (from === 'torchvision') return { hidden: lin, output: lin }
  if (hasMixture) return { hidden: torchDefault, output: torchDefault }
  return { hidden: original, output: { weight: zeros, bias: zeros } }
}
