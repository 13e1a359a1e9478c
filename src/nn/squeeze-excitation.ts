import { globalAveragePool, mul, relu, reshape, sigmoid, type Tensor } from '../graph/index.ts'
import { kaimingUniform } from './initialise.ts'
import { channelsOf, conv } from './layers.ts'
import type { Scope } from './scope.ts'

/**
 * Squeeze and excitation (Hu, Shen & Sun 2018): each channel of x [N, C, H, W] is multiplied by a number in (0, 1) made of the means
 * of all channels, x · σ(fc2(relu(fc1(GAP(x))))). Named as torchvision's: 1×1 convolutions `fc1` [squeezed, C] and `fc2`
 * [C, squeezed] with biases.
 *
 * @throws MoietyError (usage) for an unknown number of channels
 */
export function squeezeExcitation(
  scope: Scope,
  x: Tensor,
  { squeezed }: { readonly squeezed: number },
): Tensor {
  const channels = channelsOf(x)
  const one = { kernel: 1, bias: true, initialise: kaimingUniform } as const
  const means = reshape(globalAveragePool(x), [x.shape[0]!, channels, 1, 1])
  const narrow = relu(scope.in('fc1', inner => conv(inner, means, { ...one, outputs: squeezed })))
  const scale = sigmoid(scope.in('fc2', inner => conv(inner, narrow, { ...one, outputs: channels })))
  return mul(x, scale)
}
