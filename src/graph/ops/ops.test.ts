import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  expectDifferentiable,
  expectEngineAgrees,
  type OracleCase,
  type OracleInput,
} from '../../../test/oracle.ts'
import { Engine } from '../../runtime/index.ts'
import * as g from '../index.ts'

/**
 * Every op, one line per case: gradients against finite differences in float64, engine against interpreter.
 */
const floats = (...shape: number[]): OracleInput => ({ shape })
const positive = (...shape: number[]): OracleInput => ({ shape, range: [0.2, 2] })
const batch = (count: number, ...shape: number[]): OracleInput => ({
  shape: [count, ...shape],
  symbolic: { 0: 'n' },
})
const indices = (values: readonly number[]): OracleInput => ({
  shape: [values.length],
  dtype: 'int64',
  values,
})

type Unary = (x: g.Tensor) => g.Tensor
const one = (x: OracleInput, f: Unary): OracleCase => ({ inputs: { x }, build: ({ x }) => f(x!) })
const two = (x: OracleInput, y: OracleInput, f: (x: g.Tensor, y: g.Tensor) => g.Tensor): OracleCase => ({
  inputs: { x, y },
  build: ({ x, y }) => f(x!, y!),
})
/** Ops whose result is not a float, or that stop gradients: only the engine is compared. */
const flat = (item: OracleCase): OracleCase => ({ ...item, wrt: [] })

const elementwise: Record<string, OracleCase> = {
  add: two(floats(2, 3), floats(2, 3), g.add),
  'add, stretched on every axis': two(floats(2, 1, 3), floats(4, 1), g.add),
  'add a number': one(floats(3), x => g.add(x, 2.5)),
  'sub, stretched to a scalar': two(floats(2, 3), floats(), g.sub),
  'a number minus a tensor': one(floats(3), x => g.sub(1, x)),
  'mul, both stretched': two(floats(3, 1), floats(1, 4), g.mul),
  'mul, symbolic extent': two(batch(3, 2), floats(2), g.mul),
  'mul, zero images': two(batch(0, 2), floats(2), g.mul),
  div: two(floats(2, 3), positive(3), g.div),
  maximum: two(floats(2, 3), floats(3), g.maximum),
  minimum: two(floats(2, 3), floats(3), g.minimum),
  neg: one(floats(5), g.neg),
  exp: one(floats(5), g.exp),
  log: one(positive(5), g.log),
  sqrt: one(positive(5), g.sqrt),
  reciprocal: one(positive(5), g.reciprocal),
  abs: one(floats(5), g.abs),
  tanh: one(floats(5), g.tanh),
  sigmoid: one({ shape: [7], range: [-20, 20] }, g.sigmoid),
  relu: one(floats(9), g.relu),
  erf: one({ shape: [40], range: [-4, 4] }, g.erf),
  gelu: one({ shape: [40], range: [-4, 4] }, x => g.gelu(x)),
  'gelu by tanh': one({ shape: [40], range: [-4, 4] }, x => g.gelu(x, { approximate: 'tanh' })),
  silu: one({ shape: [40], range: [-9, 9] }, g.silu),
  softplus: one({ shape: [9], range: [-30, 30] }, g.softplus),
  clamp: one({ shape: [20], range: [-2, 2] }, x => g.clamp(x, -0.5, 1)),
  square: one(floats(4), g.square),
  where: {
    inputs: { c: { shape: [2, 1], dtype: 'bool', values: [1, 0] }, x: floats(3), y: floats(2, 3) },
    build: ({ c, x, y }) => g.where(c!, x!, y!),
  },
  'add zero, which may be left out': one(floats(4), x => g.mul(x, g.add(x, 0))),
  sign: flat(one(floats(5), g.sign)),
  heaviside: flat(
    one({ shape: [7], values: [-1, -0, 0, 2 ** -126, 1, Number.POSITIVE_INFINITY, -1e-38] }, g.heaviside),
  ),
  comparisons: flat({
    inputs: { x: { shape: [4], values: [1, 2, 3, 2] }, y: { shape: [4], values: [2, 2, 2, 2] } },
    build: ({ x, y }) => [
      g.greater(x!, y!),
      g.less(x!, y!),
      g.greaterOrEqual(x!, y!),
      g.lessOrEqual(x!, y!),
      g.equal(x!, y!),
    ],
  }),
  logic: flat({
    inputs: {
      x: { shape: [4], dtype: 'bool', values: [0, 0, 1, 1] },
      y: { shape: [4], dtype: 'bool', values: [0, 1, 0, 1] },
    },
    build: ({ x, y }) => [g.and(x!, y!), g.or(x!, y!), g.not(x!)],
  }),
  'finite tells NaN and infinities from numbers': flat(
    one(
      { shape: [4], values: [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
      g.finite,
    ),
  ),
  'cast to integer and back': flat(
    one({ shape: [4], values: [1.7, -1.7, 0, 2] }, x => g.asFloat(g.cast(x, 'int64'))),
  ),
}

const reductions: Record<string, OracleCase> = {
  'sum of everything': one(floats(2, 3, 4), x => g.sum(x)),
  'sum of two axes, kept': one(floats(2, 3, 4), x => g.sum(x, [0, -1], { keepDims: true })),
  'sum over a symbolic axis': one(batch(3, 2), x => g.sum(x, [0])),
  'sum over no image': one(batch(0, 2), x => g.sum(x, [0])),
  sumOfSquares: one(floats(2, 3, 4), g.sumOfSquares),
  'sumOfSquares of a scalar': one(floats(), g.sumOfSquares),
  'sumOfSquares of no image': one(batch(0, 2), g.sumOfSquares),
  'mean over space': one(floats(2, 3, 4, 4), x => g.mean(x, [2, 3])),
  'mean over a symbolic axis': one(batch(3, 2), x => g.mean(x, [0])),
  'mean of an extent of 1': one(floats(1, 3), x => g.mean(x, [0])),
  max: one(floats(3, 5), x => g.max(x, [1])),
  'variance, population': one(floats(3, 5), x => g.variance(x, [0])),
  'variance, unbiased, symbolic': one(batch(4, 2), x => g.variance(x, [0], { correction: 1 })),
  softmax: one({ shape: [3, 5], range: [-3, 3] }, g.softmax),
  'softmax of large logits': one(
    { shape: [2, 4], values: [500, 499, -500, 0, 1000, 1000, 999, -1000] },
    g.softmax,
  ),
  logSoftmax: one({ shape: [3, 5], range: [-3, 3] }, g.logSoftmax),
  'logSoftmax of large logits': one({ shape: [1, 3], values: [1000, 0, 999] }, g.logSoftmax),
  logSumExp: one({ shape: [3, 5], range: [-3, 3] }, g.logSumExp),
}

const shapes: Record<string, OracleCase> = {
  reshape: one(floats(2, 3, 4), x => g.reshape(x, [6, 4])),
  'reshape, symbolic': one(batch(3, 4), x => g.reshape(x, ['n', 2, 2])),
  'reshape, no image': one(batch(0, 4), x => g.reshape(x, ['n', 2, 2])),
  transpose: one(floats(2, 3, 4), x => g.transpose(x, [2, 0, 1])),
  'transpose, no image': one(batch(0, 3, 4), x => g.transpose(x, [1, 0, 2])),
  slice: one(floats(2, 7), x => g.slice(x, 1, 2, 5)),
  'slice, every second': one(floats(2, 7), x => g.slice(x, 1, 1, 6, 2)),
  'slice, every third': one(floats(2, 8), x => g.slice(x, 1, 0, 8, 3)),
  concat: {
    inputs: { x: floats(2, 3), y: floats(2, 1), z: floats(2, 2) },
    build: ({ x, y, z }) => g.concat([x!, y!, z!], 1),
  },
  'concat, symbolic': two(batch(2, 3), batch(2, 1), (x, y) => g.concat([x, y], 1)),
  split: one(floats(2, 6), x => {
    const [a, b, c] = g.split(x, 1, [2, 3, 1])
    return g.concat([g.mul(c!, 3), g.square(b!), a!], 1)
  }),
  'split into more pieces than one operation gives': one(floats(61, 2), x => {
    const extents = Array.from({ length: 60 }, (_, i) => (i === 44 ? 2 : 1))
    const pieces = g.split(x, 0, extents).map((piece, i) => g.mul(piece, i))
    return g.concat([...pieces].reverse(), 0)
  }),
  'split, a piece that nobody uses': one(floats(4, 2), x => g.square(g.split(x, 0, [1, 3])[1]!)),
  pad: one(floats(2, 3), x => g.pad(x, [1, 0], [0, 2])),
  'pad by a negative amount': one(floats(4, 3), x => g.pad(x, [-1, 1], [2, -1])),
  expandLike: two(floats(3, 1), floats(2, 3, 4), (x, y) => g.expandLike(x, y)),
  'expandLike, symbolic': two(floats(1, 4), batch(3, 4), (x, y) => g.expandLike(x, y)),
  spread: one(floats(2, 3), x => g.spread(x, 1, 3)),
  'resizeNearest by 2': one(floats(2, 3, 2, 3), x => g.resizeNearest(x, 2)),
  'resizeNearest by 3, symbolic': one(batch(2, 1, 2, 2), x => g.resizeNearest(x, 3)),
}

const products: Record<string, OracleCase> = {
  gemm: two(floats(2, 3), floats(3, 4), g.gemm),
  'gemm, left transposed': two(floats(3, 2), floats(3, 4), (x, y) => g.gemm(x, y, { transposeA: true })),
  'gemm, right transposed': two(floats(2, 3), floats(4, 3), (x, y) => g.gemm(x, y, { transposeB: true })),
  'gemm, both transposed': two(floats(3, 2), floats(4, 3), (x, y) =>
    g.gemm(x, y, { transposeA: true, transposeB: true }),
  ),
  'gemm, no row': two(batch(0, 3), floats(3, 4), g.gemm),
  'matmul of stacks': two(floats(2, 1, 2, 3), floats(4, 3, 2), g.matmul),
  'matmul over an inner extent of nothing': {
    inputs: { x: { shape: [2, 3, 0], symbolic: { 2: 'n' } }, y: { shape: [2, 0, 3], symbolic: { 1: 'n' } } },
    build: ({ x, y }) => g.matmul(x!, y!),
  },
  'gemm over an inner extent of nothing': {
    inputs: { x: { shape: [3, 0], symbolic: { 1: 'n' } }, y: { shape: [0, 4], symbolic: { 0: 'n' } } },
    build: ({ x, y }) => g.gemm(x!, y!),
  },
  linear: {
    inputs: { x: batch(3, 4), w: floats(2, 4), b: floats(2) },
    build: ({ x, w, b }) => g.linear(x!, w!, b!),
  },
}

const indexing: Record<string, OracleCase> = {
  'topK values': one(floats(3, 5), x => g.topK(x, 2).values),
  'topK of any number of rows': one(batch(3, 5), x => g.topK(x, 2).values),
  'topK of no row': one(batch(0, 5), x => g.topK(x, 2).values),
  'topK of no stack of rows': one(batch(0, 3, 5), x => g.topK(x, 2).values),
  'topK of stacks of rows': one(batch(2, 3, 5), x => g.topK(x, 2).values),
  'topK of no row, as is known beforehand': one(floats(0, 5), x => g.topK(x, 2).values),
  'topK of all': one(floats(3, 4), x => g.topK(x, 4).values),
  'topK, at a tie the smaller index first': flat(
    one({ shape: [2, 4], values: [1, 3, 3, 3, 0, 0, 0, 0] }, x => g.topK(x, 2).indices),
  ),
  gatherRows: {
    inputs: { x: floats(4, 3), i: indices([2, 0, 2]) },
    build: ({ x, i }) => g.gatherRows(x!, i!),
  },
  'gatherRows, none': {
    inputs: { x: floats(4, 3), i: { ...indices([]), symbolic: { 0: 'm' } } },
    build: ({ x, i }) => g.gatherRows(x!, i!),
  },
  'scatterAddRows, one row twice': {
    inputs: { rows: floats(3, 2), i: indices([1, 3, 1]), like: floats(4, 2) },
    build: ({ rows, i, like }) => g.scatterAddRows(i!, rows!, like!),
    wrt: ['rows'],
  },
  'addRows, none': {
    inputs: { base: floats(4, 2), rows: batch(0, 2), i: { ...indices([]), symbolic: { 0: 'n' } } },
    build: ({ base, rows, i }) => g.addRows(base!, i!, rows!),
  },
  'rows gathered twice and put back': {
    inputs: { x: floats(4, 2), i: indices([0, 2]), j: indices([2, 3]) },
    build: ({ x, i, j }) =>
      g.addRows(g.scatterAddRows(i!, g.square(g.gatherRows(x!, i!)), x!), j!, g.exp(g.gatherRows(x!, j!))),
  },
  gatherLastAxis: {
    inputs: { x: floats(2, 4), i: { shape: [2, 2], dtype: 'int64', values: [3, 0, 1, 2] } },
    build: ({ x, i }) => g.gatherLastAxis(x!, i!),
  },
  nonzero: flat({
    inputs: { m: { shape: [5], dtype: 'bool', values: [0, 1, 1, 0, 1] } },
    build: ({ m }) => g.nonzero(m!, 'count'),
  }),
  'nonzero of nothing': flat({
    inputs: { m: { shape: [3], dtype: 'bool', values: [0, 0, 0] } },
    build: ({ m }) => g.nonzero(m!, 'count'),
  }),
  oneHot: flat({
    inputs: { i: indices([2, 0]) },
    build: ({ i }) => g.oneHot(i!, 3),
  }),
}

const pooling: Record<string, OracleCase> = {
  maxPool: one(floats(2, 3, 6, 6), x => g.maxPool(x, { kernel: 2 })),
  'maxPool, overlapping and padded': one(floats(2, 2, 7, 5), x =>
    g.maxPool(x, { kernel: 3, stride: 2, padding: 1 }),
  ),
  'maxPool, symbolic': one(batch(2, 2, 5, 5), x => g.maxPool(x, { kernel: 3, stride: 2, padding: 1 })),
  'maxPool, no image': one(batch(0, 2, 5, 5), x => g.maxPool(x, { kernel: 3, stride: 2, padding: 1 })),
  averagePool: one(floats(2, 3, 6, 6), x => g.averagePool(x, { kernel: 2 })),
  'averagePool, overlapping and padded': one(floats(2, 2, 7, 6), x =>
    g.averagePool(x, { kernel: 3, stride: 2, padding: 1 }),
  ),
  globalAveragePool: one(batch(2, 3, 4, 5), g.globalAveragePool),
}

const norm = (x: g.Tensor, scale: g.Tensor, shift: g.Tensor): g.Tensor =>
  g.batchNormTraining(x, scale, shift, 1e-5).output
const vectors = (channels: number) => ({ scale: positive(channels), shift: floats(channels) })
const normalisation: Record<string, OracleCase> = {
  batchNormTraining: {
    inputs: { x: floats(4, 3, 5, 5), ...vectors(3) },
    build: ({ x, scale, shift }) => norm(x!, scale!, shift!),
    tolerance: 3e-5,
  },
  'batchNormTraining, symbolic': {
    inputs: { x: batch(3, 2, 3, 3), ...vectors(2) },
    build: ({ x, scale, shift }) => norm(x!, scale!, shift!),
    tolerance: 3e-5,
  },
  'batchNormTraining, a mean far from zero': {
    inputs: { x: { shape: [8, 2, 4, 4], range: [4, 6] }, ...vectors(2) },
    build: ({ x, scale, shift }) => norm(x!, scale!, shift!),
    tolerance: 3e-4,
  },
  'statistics of a batch': flat({
    inputs: { x: floats(4, 3, 5, 5), ...vectors(3) },
    build: ({ x, scale, shift }) => {
      const { mean, variance } = g.batchNormTraining(x!, scale!, shift!, 1e-5)
      return [mean, variance]
    },
  }),
  'statistics of no image': flat({
    inputs: { x: batch(0, 3, 5, 5), ...vectors(3) },
    build: ({ x, scale, shift }) => {
      const { output, mean, variance } = g.batchNormTraining(x!, scale!, shift!, 1e-5)
      const next = g.updatedStatistics(x!, { mean: scale!, variance: shift! }, { mean, variance }, 0.1)
      return [output, mean, variance, next.mean, next.variance]
    },
  }),
  'two batch norms of the same channels': {
    inputs: { x: floats(4, 3, 5, 5), y: floats(4, 3, 5, 5), ...vectors(3) },
    build: ({ x, y, scale, shift }) => g.mul(norm(x!, scale!, shift!), norm(y!, scale!, shift!)),
    tolerance: 3e-5,
  },
  batchNormInference: {
    inputs: { x: batch(2, 3, 4, 4), ...vectors(3), mean: floats(3), variance: positive(3) },
    build: ({ x, scale, shift, mean, variance }) =>
      g.batchNormInference(x!, scale!, shift!, mean!, variance!, 1e-5),
  },
  updatedStatistics: flat({
    inputs: { x: floats(3, 2, 2, 2), m: floats(2), v: positive(2), rm: floats(2), rv: positive(2) },
    build: ({ x, m, v, rm, rv }) => {
      const next = g.updatedStatistics(x!, { mean: rm!, variance: rv! }, { mean: m!, variance: v! }, 0.1)
      return [next.mean, next.variance]
    },
  }),
}

/** Convolutions of every kind that a network here can have, and the sizes at which the lowering changes its way. */
interface ConvCase {
  readonly x: readonly [number, number, number, number]
  readonly o: number
  readonly kernel: number | g.Pair
  readonly stride?: number | g.Pair
  readonly padding?: number | g.Pair | g.Sides
  readonly dilation?: number | g.Pair
  readonly groups?: number
  readonly bias?: boolean
  readonly symbolic?: boolean
}
const convolutions: readonly ConvCase[] = [
  { x: [2, 3, 5, 5], o: 4, kernel: 1 },
  { x: [2, 3, 5, 7], o: 4, kernel: 1, stride: 2 },
  { x: [2, 3, 5, 5], o: 4, kernel: 3 },
  { x: [2, 3, 5, 5], o: 4, kernel: 3, padding: 1 },
  { x: [2, 3, 8, 6], o: 4, kernel: 3, padding: 2 },
  { x: [2, 3, 7, 8], o: 4, kernel: 3, padding: 1, stride: 2 },
  { x: [2, 3, 9, 10], o: 2, kernel: 3, padding: 1, stride: 3 },
  { x: [2, 3, 9, 9], o: 2, kernel: 3, padding: 2, dilation: 2 },
  { x: [2, 3, 9, 9], o: 2, kernel: 3, padding: 0, dilation: 2, stride: 2 },
  { x: [2, 2, 6, 6], o: 3, kernel: 2 },
  { x: [2, 2, 7, 7], o: 3, kernel: 5, padding: 2 },
  { x: [2, 2, 11, 11], o: 3, kernel: 7, padding: 3, stride: 2 },
  { x: [1, 1, 1, 1], o: 1, kernel: 1 },
  { x: [1, 1, 1, 1], o: 2, kernel: 3, padding: 1 },
  { x: [2, 4, 5, 5], o: 6, kernel: 3, padding: 1, groups: 2 },
  { x: [2, 4, 6, 6], o: 4, kernel: 3, padding: 1, groups: 4, stride: 2 },
  { x: [2, 4, 5, 5], o: 8, kernel: 3, padding: 1, groups: 4, bias: true },
  { x: [2, 3, 5, 5], o: 4, kernel: 3, padding: 1, bias: true },
  { x: [3, 2, 16, 16], o: 3, kernel: 3, padding: 1 },
  { x: [8, 2, 16, 17], o: 3, kernel: 3, padding: 1 },
  { x: [11, 2, 16, 16], o: 3, kernel: 3, padding: 1 },
  { x: [17, 1, 18, 16], o: 2, kernel: 3, padding: 1 },
  { x: [3, 2, 16, 16], o: 3, kernel: 3, padding: 1, symbolic: true },
  { x: [0, 2, 16, 16], o: 3, kernel: 3, padding: 1, symbolic: true },
  { x: [0, 2, 6, 6], o: 3, kernel: 3, padding: 1, symbolic: true },
  { x: [0, 2, 6, 6], o: 3, kernel: 3, padding: 1, stride: 2, symbolic: true },
  { x: [0, 2, 6, 6], o: 3, kernel: 1, stride: 2, symbolic: true },
  { x: [0, 4, 6, 6], o: 4, kernel: 3, padding: 1, groups: 2, symbolic: true },
  { x: [1, 2, 6, 6], o: 3, kernel: 3, padding: 1, stride: 2, symbolic: true },
  // Enough channels for the engine to compute on blocks of them, full or not.
  { x: [2, 16, 5, 6], o: 16, kernel: 3, padding: 1 },
  { x: [3, 32, 4, 4], o: 48, kernel: 3, padding: 1 },
  { x: [2, 28, 7, 6], o: 30, kernel: 3, padding: 1, stride: 2 },
  { x: [2, 16, 9, 9], o: 32, kernel: 3, padding: 2, dilation: 2 },
  { x: [2, 32, 6, 6], o: 16, kernel: 1, stride: 2 },
  { x: [2, 16, 4, 4], o: 28, kernel: 5, padding: 2 },
  { x: [5, 16, 4, 4], o: 32, kernel: 3, padding: 1, symbolic: true },
  { x: [0, 16, 4, 4], o: 32, kernel: 3, padding: 1, symbolic: true },
  { x: [0, 32, 6, 6], o: 32, kernel: 1, stride: 2, symbolic: true },
  // Rows and columns, and sides, that differ.
  { x: [2, 3, 7, 6], o: 4, kernel: [3, 1], padding: [1, 0] },
  { x: [2, 3, 6, 9], o: 4, kernel: [1, 7], padding: [0, 3] },
  { x: [2, 3, 8, 9], o: 4, kernel: 3, padding: 1, stride: [2, 1] },
  { x: [2, 3, 9, 8], o: 4, kernel: [2, 5], padding: 2, stride: [1, 3] },
  { x: [2, 3, 5, 6], o: 4, kernel: 3, padding: [1, 0, 1, 2] },
  { x: [2, 3, 8, 7], o: 4, kernel: 3, padding: [0, 1, 1, 0], stride: 2 },
  { x: [2, 3, 6, 6], o: 4, kernel: 2, padding: [0, 0, 1, 1] },
  { x: [2, 3, 6, 6], o: 4, kernel: 1, padding: [1, 0, 0, 2] },
  { x: [2, 3, 9, 8], o: 2, kernel: 3, padding: [2, 1], dilation: [2, 1] },
  { x: [2, 4, 7, 6], o: 4, kernel: [3, 5], padding: [1, 2], stride: [2, 1], groups: 2 },
  { x: [2, 4, 7, 6], o: 4, kernel: 3, padding: [0, 1, 1, 0], groups: 4, bias: true },
  { x: [3, 16, 7, 6], o: 32, kernel: [3, 1], padding: [1, 0] },
  { x: [3, 32, 6, 8], o: 16, kernel: 3, padding: [0, 1, 1, 1], stride: [1, 2] },
  { x: [3, 16, 8, 8], o: 16, kernel: 4, padding: [0, 1, 2, 1], stride: 2 },
  { x: [17, 32, 4, 4], o: 32, kernel: 3, padding: [2, 1, 0, 1] },
  { x: [5, 16, 4, 4], o: 32, kernel: [1, 3], padding: [0, 1], symbolic: true },
  { x: [0, 16, 4, 4], o: 32, kernel: [3, 1], padding: [1, 0], symbolic: true },
]
const convolution = Object.fromEntries(
  convolutions.map((conv): [string, OracleCase] => {
    const { x, o, kernel, groups = 1, bias = false, symbolic = false } = conv
    const { stride = 1, padding = 0, dilation = 1 } = conv
    const options = { stride, padding, dilation, groups }
    const [height, width] = g.pairOf(kernel)
    const name = `x [${x.join(', ')}]${symbolic ? ' symbolic' : ''} to ${o}, kernel ${height}×${width}, ${JSON.stringify(options)}${bias ? ' and bias' : ''}`
    const inputs = {
      x: { shape: x, ...(symbolic ? { symbolic: { 0: 'n' } } : {}) },
      w: floats(o, x[1] / groups, height, width),
      ...(bias ? { b: floats(o) } : {}),
    }
    const build: OracleCase['build'] = ({ x, w, b }) =>
      g.conv2d(x!, w!, b === undefined ? options : { ...options, bias: b })
    return [name, { inputs, build }]
  }),
)

/** Transposed convolutions, and convolutions whose gradients are differentiated again. */
const transposedOf = (
  x: readonly number[],
  o: number,
  kernel: number | g.Pair,
  options: g.TransposedOptions = {},
  fields: Partial<OracleInput> & { readonly bias?: boolean } = {},
): OracleCase => {
  const { bias = false, ...input } = fields
  const { groups = 1 } = options
  return {
    inputs: {
      x: { shape: x, ...input },
      w: floats(x[1]!, o / groups, ...g.pairOf(kernel)),
      ...(bias ? { b: floats(o) } : {}),
    },
    build: ({ x, w, b }) => g.convTranspose2d(x!, w!, b === undefined ? options : { ...options, bias: b }),
  }
}
const transposed: Record<string, OracleCase> = {
  'kernel 2, stride 2, which doubles': transposedOf([2, 3, 4, 5], 4, 2, { stride: 2 }),
  'kernel 3, stride 1': transposedOf([2, 3, 4, 5], 4, 3, { padding: 1 }),
  'kernel 3, stride 2, with one more': transposedOf([2, 3, 4, 5], 4, 3, {
    stride: 2,
    padding: 1,
    outputPadding: 1,
  }),
  'kernel 4, stride 2': transposedOf([2, 3, 4, 3], 2, 4, { stride: 2, padding: 1 }),
  'kernel 3, stride 3, dilated': transposedOf([2, 3, 3, 3], 2, 3, {
    stride: 3,
    dilation: 2,
    outputPadding: [1, 2],
  }),
  'rectangular, asymmetric': transposedOf([2, 3, 4, 5], 4, [3, 2], { stride: [2, 1], padding: [1, 0, 0, 1] }),
  'in groups, with a bias': transposedOf(
    [2, 4, 4, 3],
    6,
    3,
    { stride: 2, padding: 1, groups: 2 },
    { bias: true },
  ),
  'of blocks of channels': transposedOf([2, 16, 4, 4], 32, 3, { stride: 2, padding: 1, outputPadding: 1 }),
  'of any number of images': transposedOf([3, 16, 4, 4], 16, 2, { stride: 2 }, { symbolic: { 0: 'n' } }),
  'of no image': transposedOf([0, 3, 4, 4], 4, 3, { stride: 2, padding: 1 }, { symbolic: { 0: 'n' } }),
  'with a 1×1 kernel': transposedOf([2, 3, 4, 4], 2, 1, { stride: 2, outputPadding: 1 }),
  'inverts the extents of a convolution': two(floats(2, 3, 7, 8), floats(4, 3, 3, 3), (x, w) => {
    const y = g.conv2d(x, w, { stride: 2, padding: 1 })
    return g.convTranspose2d(y, w, { stride: 2, padding: 1, outputPadding: [0, 1] })
  }),
  'gradients of a convolution, differentiated': {
    inputs: { x: floats(2, 3, 6, 5), w: floats(4, 3, 3, 3) },
    build: ({ x, w }) => {
      const y = g.conv2d(x!, w!, { stride: 2, padding: 1 })
      return g.gradients(g.sum(g.mul(y, g.square(y))), [x!, w!])
    },
  },
}

const standardised: Record<string, OracleCase> = {
  'over the last axis': one(floats(3, 5), x => g.standardise(x, 1, 1e-5)),
  'over two axes': one(floats(2, 3, 4, 5), x => g.standardise(x, 2, 1e-3)),
  'over all but the first axis': one(floats(2, 3, 4), x => g.standardise(x, 1, 1e-5)),
  'of any number of images': one(batch(3, 2, 6), x => g.standardise(x, 2, 1e-5)),
  'of no image': one(batch(0, 2, 6), x => g.standardise(x, 2, 1e-5)),
  'of one value a run, which becomes 0': one(floats(3, 1), x => g.standardise(x, 1, 1e-5)),
  'of equal values': flat(
    one({ shape: [2, 4], values: [3, 3, 3, 3, -1, -1, -1, -1] }, x => g.standardise(x, 1, 1e-5)),
  ),
}

const bilinear: Record<string, OracleCase> = {
  'to twice the extents': one(floats(2, 3, 3, 4), x => g.resizeBilinear(x, [6, 8])),
  'to extents that are no multiple': one(floats(2, 2, 5, 3), x => g.resizeBilinear(x, [7, 8])),
  'to fewer rows and more columns': one(floats(1, 2, 7, 4), x => g.resizeBilinear(x, [3, 9])),
  'to a half': one(floats(2, 2, 6, 8), x => g.resizeBilinear(x, [3, 4])),
  'of one pixel': one(floats(2, 3, 1, 1), x => g.resizeBilinear(x, [4, 5])),
  'to one pixel': one(floats(2, 3, 4, 5), x => g.resizeBilinear(x, [1, 1])),
  'to its own extents': one(floats(2, 3, 4, 5), x => g.resizeBilinear(x, [4, 5])),
  'of any number of images': one(batch(3, 2, 4, 4), x => g.resizeBilinear(x, [6, 10])),
  'of no image': one(batch(0, 2, 4, 4), x => g.resizeBilinear(x, [6, 10])),
}

/** An expert as sparse dispatch builds it, for any number of images. */
const expertOf = (rows: readonly number[]): OracleCase => ({
  inputs: {
    x: floats(5, 2, 6, 6),
    w: floats(3, 2, 3, 3),
    ...vectors(3),
    gate: positive(5),
    i: { ...indices(rows), symbolic: { 0: 'n' } },
  },
  build: ({ x, w, scale, shift, gate, i }) => {
    const seen = g.conv2d(g.gatherRows(x!, i!), w!, { padding: 1 })
    const normal = g.relu(g.batchNormTraining(seen, scale!, shift!, 1e-5).output)
    const weight = g.reshape(g.gatherRows(gate!, i!), ['n', 1, 1, 1])
    return g.scatterAddRows(i!, g.mul(normal, weight), x!)
  },
  tolerance: 3e-5,
})
const experts = {
  'with some images': expertOf([0, 2, 3]),
  'with all images': expertOf([0, 1, 2, 3, 4]),
  'with one image': expertOf([4]),
  'without an image': expertOf([]),
}

const families = {
  elementwise,
  reductions,
  shapes,
  products,
  indexing,
  pooling,
  normalisation,
  convolution,
  'transposed convolution': transposed,
  standardised,
  'bilinear resizing': bilinear,
  experts,
}

let engine: Engine
beforeAll(async () => {
  engine = await Engine.start({ threads: 2 })
})
afterAll(async () => {
  await engine.stop()
})

describe.each(Object.entries(families))('%s', (_family, cases) => {
  it.each(Object.entries(cases))('%s: gradients agree with finite differences', (_name, item) => {
    expectDifferentiable(item)
  })

  it.each(Object.entries(cases))('%s: the engine agrees with the interpreter', async (_name, item) => {
    await expectEngineAgrees(engine, item)
  })
})

describe('what has no gradient', () => {
  it('an expert without images has gradients that are exactly zero', () => {
    const graph = new g.Graph()
    const x = graph.input('x', 'float32', [2, 1, 3, 3])
    const w = graph.input('w', 'float32', [1, 1, 3, 3])
    const i = graph.input('i', 'int64', ['n'])
    const y = g.scatterAddRows(i, g.conv2d(g.gatherRows(x, i), w, { padding: 1 }), x)
    const zeros = g.interpret(
      g.gradients(g.sum(y), [w, x]),
      new Map([
        ['x', { shape: [2, 1, 3, 3], data: new Float64Array(18).fill(1) }],
        ['w', { shape: [1, 1, 3, 3], data: new Float64Array(9).fill(1) }],
        ['i', { shape: [0], data: new Float64Array(0) }],
      ]),
    )
    for (const { data } of zeros) expect([...data].every(value => value === 0)).toBe(true)
  })
})
