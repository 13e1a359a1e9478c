import { sizeOf } from '../../base/tensor.ts'
import { applyAll, shapeError, type Tensor } from '../graph.ts'
import { zeros } from '../ndarray.ts'
import { mul, sub } from './elementwise.ts'
import { mean } from './reduce.ts'

/**
 * The common part of layer and group normalisation (Ba, Kiros & Hinton 2016; Wu & He 2018): for each image, each run
 * of m values is brought to mean 0 and variance 1,
 *
 *     y = (x − μ) · r,  r = 1/√(σ² + ε),   μ and σ² (divisor m) over the axes from `axis` on.
 *
 * μ and σ² depend on x. As for batch normalisation, carrying that through,
 *
 *     dx = r · (dy − mean(dy) − y · mean(dy · y)),
 *
 * with means over the same axes.
 *
 * @param axis - the first of the axes whose extents, known numbers, make a run; from 1
 * @returns x standardised, of x's shape
 * @throws MoietyError (usage) for another dtype, axis, or extents that are not known
 */
export function standardise(x: Tensor, axis: number, epsilon: number): Tensor {
  const run = x.shape.slice(axis)
  if (x.dtype !== 'float32' || axis < 1 || axis >= x.rank || run.some(extent => typeof extent !== 'number'))
    return shapeError('standardise', `a float32 tensor with known extents from axis ${axis} on`, [x])
  const extents = run.map(Number)
  const over = extents.map((_, i) => axis + i)
  const each = x.shape.map((extent, i) => (i < axis ? extent : 1))
  const [y] = applyAll({
    name: 'standardise',
    inputs: [x],
    outputs: [x, { dtype: 'float32', shape: each }],
    attributes: { axis, epsilon },
    gradient: ([dy], [normal, r]) => {
      if (dy === undefined) return []
      const average = (values: Tensor): Tensor => mean(values, over, { keepDims: true })
      const centred = sub(sub(dy, average(dy)), mul(normal!, average(mul(dy, normal!))))
      return [mul(centred, r!)]
    },
    lower: (emit, [name]) => {
      const ones = emit.constant('float32', extents, new Array<number>(sizeOf(extents)).fill(1))
      const [normal, , r] = emit.nodes(
        'LayerNormalization',
        [name!, ones],
        { axis, epsilon: { float: epsilon } },
        3,
      )
      return [normal!, r!]
    },
    evaluate: ([value]) => {
      const count = sizeOf(extents)
      const runs = value!.data.length / count
      const normal = zeros(value!.shape)
      const deviations = zeros(value!.shape.map((extent, i) => (i < axis ? extent : 1)))
      for (let i = 0; i < runs; i++) {
        const values = value!.data.subarray(i * count, (i + 1) * count)
        const mu = values.reduce((total, v) => total + v, 0) / count
        const variance = values.reduce((total, v) => total + (v - mu) ** 2, 0) / count
        const r = 1 / Math.sqrt(variance + epsilon)
        deviations.data[i] = r
        for (let j = 0; j < count; j++) normal.data[i * count + j] = (values[j]! - mu) * r
      }
      return [normal, deviations]
    },
  })
  return y!
}
