import { type NdArray, type Node, rewrite, type Tensor, usesOf, withInputs } from '../graph/index.ts'
import { constantOf } from './constants.ts'

/**
 * BatchNorm with fixed statistics is y = a·x + b with two numbers a channel. Behind a convolution,
 *
 *     a_o · (Σ x·w_o + c_o) + b_o = Σ x·(a_o·w_o) + (a_o·c_o + b_o),
 *
 * another convolution, with a bias. That is exact up to rounding, and valid only where the convolution's result is
 * used only there and is the BatchNorm's only input: behind a mixture of convolutions, whose weights sum to 1 by rounding
 * only, BatchNorm remains.
 *
 * @param outputs - of a graph whose parameters are constants and were folded, see `constants.ts`
 * @returns the outputs, and how many were folded into a convolution and how many remain
 */
export function foldBatchNorm(outputs: ReadonlyMap<string, Tensor>): {
  readonly outputs: Map<string, Tensor>
  readonly folded: number
  readonly left: number
} {
  const uses = usesOf(outputs)
  const counts = { folded: 0, left: 0 }
  const result = rewrite(outputs, (node, inputs) => {
    if (node.name !== 'channelAffine') return undefined
    const convolution = uses.get(node.inputs[0]!) === 1 ? foldedInto(node, inputs) : undefined
    if (convolution === undefined) counts.left += 1
    else counts.folded += 1
    return convolution
  })
  return { outputs: result, ...counts }
}

/** The folded convolution, if the input is one and everything else is constant. */
function foldedInto({ graph, label, name }: Node, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  const [x, scale, shift] = inputs
  const convolution = x!.node
  if (convolution.name !== 'conv2d') return undefined
  const [image, kernel, bias] = convolution.inputs
  const [a, b, w] = [scale!, shift!, kernel!].map(constantOf)
  const c = bias === undefined ? undefined : constantOf(bias)
  if (a === undefined || b === undefined || w === undefined) return undefined
  if (bias !== undefined && c === undefined) return undefined
  const place = nameOf(kernel!, label.slice(0, -name.length - 1))
  const weight = graph.stored(place, w.shape, scaledRows(w, a))
  const offset = graph.stored(
    `${place}.bias`,
    b.shape,
    b.data.map((value, o) => value + a.data[o]! * (c?.data[o] ?? 0)),
  )
  return withInputs(convolution, [image!, weight, offset])
}

/** w [O, …] with each of its O parts multiplied by a number of `a` [O]. */
function scaledRows(w: NdArray, a: NdArray): Float64Array {
  const size = w.data.length / a.data.length
  return w.data.map((value, at) => value * a.data[Math.floor(at / size)]!)
}

/** `conv1.weight@bn1`: a kernel may serve two places, each with a BatchNorm of its own. */
function nameOf({ node }: Tensor, place: string): string {
  return `${String(node.attributes?.name ?? node.label)}@${place}`
}
