import { type Dim, type Shape, showShape } from '../dims.ts'
import { apply, type Choice, type GraphDType, shapeError, Tensor } from '../graph.ts'
import { broadcastShape, mapNd, type NdArray, stretchedReader, tabulate, zipNd } from '../ndarray.ts'
import { sumTo } from './broadcast.ts'

/** A tensor, or a number as a float32 scalar. */
export type Operand = Tensor | number

/**
 * Element-wise arithmetic under NumPy's broadcasting. Where an operand was stretched, its gradient is summed
 * over the stretched axes ({@link sumTo}).
 */

/** The shape of two operands combined; a stretched extent must be 1. */
function combinedShape(op: string, a: Tensor, b: Tensor): Shape {
  const rank = Math.max(a.rank, b.rank)
  return Array.from({ length: rank }, (_, axis): Dim => {
    const left = a.shape[axis - rank + a.rank] ?? 1
    const right = b.shape[axis - rank + b.rank] ?? 1
    if (left === right || right === 1) return left
    if (left === 1) return right
    return shapeError(op, 'shapes that broadcast', [a, b])
  })
}

function operands(a: Operand, b: Operand): [Tensor, Tensor] {
  if (a instanceof Tensor) return [a, b instanceof Tensor ? b : a.graph.scalar(b)]
  if (b instanceof Tensor) return [b.graph.scalar(a), b]
  return shapeError('an element-wise op', 'at least one tensor', [])
}

interface BinaryRule {
  readonly name: string
  readonly onnx: string
  readonly result?: GraphDType
  readonly operand?: GraphDType
  value(x: number, y: number): number
  gradient?(dz: Tensor, x: Tensor, y: Tensor, z: Tensor): [Tensor | undefined, Tensor | undefined]
}

function binary(rule: BinaryRule): (a: Operand, b: Operand) => Tensor {
  return (a, b) => {
    const [x, y] = operands(a, b)
    if (x.dtype !== y.dtype || (rule.operand !== undefined && x.dtype !== rule.operand)) {
      return shapeError(rule.name, `two ${rule.operand ?? 'equal'} dtypes`, [x, y])
    }
    const gradient = rule.gradient
    return apply({
      name: rule.name,
      inputs: [x, y],
      outputs: [{ dtype: rule.result ?? x.dtype, shape: combinedShape(rule.name, x, y) }],
      ...(gradient === undefined
        ? {}
        : {
            gradient: ([dz], [z]) => {
              const [dx, dy] = gradient(dz!, x, y, z!)
              return [dx && sumTo(dx, x), dy && sumTo(dy, y)]
            },
          }),
      lower: (emit, names) => [emit.node(rule.onnx, names)],
      evaluate: ([left, right]) => [zipNd(left!, right!, rule.value)],
      // Integers and conditions are compared without rounding.
      ...(rule.result === 'bool' && x.dtype === 'float32' ? { choice: comparison } : {}),
    })
  }
}

/** The distance to the other result is that between the two numbers. */
const comparison: Choice = {
  output: 0,
  of: value => value,
  follow: (_inputs, given) => [given],
  margin: ([left, right], _given, at) => Math.abs(zipNd(left!, right!, (x, y) => x - y).data[at]!),
}

/**
 * a + b, element by element under broadcasting, of two tensors of one dtype. Both get the upstream gradient.
 *
 * @throws MoietyError (usage) for other dtypes or shapes, like all binary ops here
 */
export const add = binary({
  name: 'add',
  onnx: 'Add',
  value: (x, y) => x + y,
  gradient: dz => [dz, dz],
})

/** a − b, element by element under broadcasting; db = −dz. */
export const sub = binary({
  name: 'sub',
  onnx: 'Sub',
  value: (x, y) => x - y,
  gradient: dz => [dz, neg(dz)],
})

/** a · b, element by element under broadcasting; da = dz·b, db = dz·a. */
export const mul = binary({
  name: 'mul',
  onnx: 'Mul',
  value: (x, y) => x * y,
  gradient: (dz, x, y) => [mul(dz, y), mul(dz, x)],
})

/** d(x/y) = dx/y − (x/y)·dy/y. */
export const div = binary({
  name: 'div',
  onnx: 'Div',
  value: (x, y) => x / y,
  gradient: (dz, _x, y, z) => [div(dz, y), neg(div(mul(dz, z), y))],
})

/** The larger of two; at a tie the first operand gets the gradient. */
export const maximum = binary({
  name: 'maximum',
  onnx: 'Max',
  operand: 'float32',
  value: (x, y) => Math.max(x, y),
  gradient: (dz, x, y) => [mul(dz, asFloat(greaterOrEqual(x, y))), mul(dz, asFloat(less(x, y)))],
})

/** The smaller of two; at a tie the first operand gets the gradient. */
export const minimum = binary({
  name: 'minimum',
  onnx: 'Min',
  operand: 'float32',
  value: (x, y) => Math.min(x, y),
  gradient: (dz, x, y) => [mul(dz, asFloat(lessOrEqual(x, y))), mul(dz, asFloat(greater(x, y)))],
})

/** a > b, element by element under broadcasting, as bool; no gradient, as for all comparisons. */
export const greater = binary({ name: 'greater', onnx: 'Greater', result: 'bool', value: (x, y) => +(x > y) })
/** a < b, element by element under broadcasting, as bool. */
export const less = binary({ name: 'less', onnx: 'Less', result: 'bool', value: (x, y) => +(x < y) })
/** a ≥ b, element by element under broadcasting, as bool. */
export const greaterOrEqual = binary({
  name: 'greaterOrEqual',
  onnx: 'GreaterOrEqual',
  result: 'bool',
  value: (x, y) => +(x >= y),
})
/** a ≤ b, element by element under broadcasting, as bool. */
export const lessOrEqual = binary({
  name: 'lessOrEqual',
  onnx: 'LessOrEqual',
  result: 'bool',
  value: (x, y) => +(x <= y),
})
/** a = b, element by element under broadcasting, as bool. */
export const equal = binary({ name: 'equal', onnx: 'Equal', result: 'bool', value: (x, y) => +(x === y) })
/** Both true, of two bool tensors, under broadcasting. */
export const and = binary({ name: 'and', onnx: 'And', operand: 'bool', value: (x, y) => x * y })
/** Either true, of two bool tensors, under broadcasting. */
export const or = binary({ name: 'or', onnx: 'Or', operand: 'bool', value: (x, y) => Math.max(x, y) })

interface UnaryRule {
  readonly name: string
  readonly onnx: string
  readonly operand?: GraphDType
  value(x: number): number
  /** dy as a function of the output's gradient, the input and the output. */
  gradient?(dy: Tensor, x: Tensor, y: Tensor): Tensor
  readonly choice?: Choice
}

function unary(rule: UnaryRule): (x: Tensor) => Tensor {
  return x => {
    const dtype = rule.operand ?? 'float32'
    if (x.dtype !== dtype) return shapeError(rule.name, `a ${dtype} tensor`, [x])
    const gradient = rule.gradient
    return apply({
      name: rule.name,
      inputs: [x],
      outputs: [x],
      ...(gradient === undefined ? {} : { gradient: ([dy], [y]) => [gradient(dy!, x, y!)] }),
      lower: (emit, names) => [emit.node(rule.onnx, names)],
      evaluate: ([value]) => [mapNd(value!, rule.value)],
      ...(rule.choice === undefined ? {} : { choice: rule.choice }),
    })
  }
}

/**
 * −x of float32, dx = −dy.
 *
 * @throws MoietyError (usage) for another dtype, like all unary ops here
 */
export const neg = unary({ name: 'neg', onnx: 'Neg', value: x => -x, gradient: dy => neg(dy) })
/** e^x; dx = dy·y. */
export const exp = unary({ name: 'exp', onnx: 'Exp', value: Math.exp, gradient: (dy, _x, y) => mul(dy, y) })
/** Natural logarithm; dx = dy / x. Not finite at 0 and below. */
export const log = unary({ name: 'log', onnx: 'Log', value: Math.log, gradient: (dy, x) => div(dy, x) })
/** √x; dx = dy / 2y, not finite at 0. */
export const sqrt = unary({
  name: 'sqrt',
  onnx: 'Sqrt',
  value: Math.sqrt,
  gradient: (dy, _x, y) => div(mul(dy, 0.5), y),
})
/** 1 / x; dx = −dy·y². */
export const reciprocal = unary({
  name: 'reciprocal',
  onnx: 'Reciprocal',
  value: x => 1 / x,
  gradient: (dy, _x, y) => neg(mul(dy, mul(y, y))),
})
/** The sign of each number. */
const side = (follow: (x: number, given: number) => number): Choice => ({
  output: 0,
  of: value => Math.sign(value),
  follow: ([x], given) => [{ shape: x!.shape, data: x!.data.map((v, at) => follow(v, given.data[at]!)) }],
  margin: ([x], _given, at) => Math.abs(x!.data[at]!),
})

/** Gradient 0 at 0. */
export const abs = unary({ name: 'abs', onnx: 'Abs', value: Math.abs, gradient: (dy, x) => mul(dy, sign(x)) })
/** −1, 0 or 1; no gradient. */
export const sign = unary({
  name: 'sign',
  onnx: 'Sign',
  value: Math.sign,
  choice: side((_x, given) => Math.sign(given)),
})
/** The hyperbolic tangent; dx = dy·(1 − y²). */
export const tanh = unary({
  name: 'tanh',
  onnx: 'Tanh',
  value: Math.tanh,
  gradient: (dy, _x, y) => mul(dy, sub(1, mul(y, y))),
})
/** 1 / (1 + e^−x), whose derivative is y(1 − y). */
export const sigmoid = unary({
  name: 'sigmoid',
  onnx: 'Sigmoid',
  value: x => 1 / (1 + Math.exp(-x)),
  gradient: (dy, _x, y) => mul(dy, mul(y, sub(1, y))),
})
/**
 * 1 where x is above 0 and 0 elsewhere (Heaviside's step), as float32; no gradient. In ONNX it is a hard sigmoid so steep
 * that the smallest normal number is at 1: one pass over memory, where comparing and casting are two. Numbers closer to 0
 * are somewhere between, and NaN gives any number.
 */
export function heaviside(x: Tensor): Tensor {
  if (x.dtype !== 'float32') return shapeError('heaviside', 'a float32 tensor', [x])
  return apply({
    name: 'heaviside',
    inputs: [x],
    outputs: [x],
    gradient: () => [],
    lower: (emit, names) => [
      emit.node('HardSigmoid', names, { alpha: { float: 2 ** 127 }, beta: { float: 0 } }),
    ],
    evaluate: ([value]) => [mapNd(value!, v => +(v > 0))],
  })
}
/**
 * max(x, 0); the gradient passes where the output is positive, so 0 at 0. This is its discrete choice: where another computation had
 * a positive output, one that follows it has one too, at least the smallest normal number of float32.
 */
export const relu = unary({
  name: 'relu',
  onnx: 'Relu',
  value: x => Math.max(x, 0),
  gradient: (dy, _x, y) => mul(dy, heaviside(y)),
  choice: side((x, given) => (given > 0 ? Math.max(x, 2 ** -126) : 0)),
})
/** The error function 2/√π ∫₀ˣ e^(−t²) dt, by its Taylor series or continued fraction in the interpreter. */
export const erf = unary({
  name: 'erf',
  onnx: 'Erf',
  value: erfOf,
  gradient: (dy, x) => mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
})
/**
 * The Gaussian error linear unit x·Φ(x) (Hendrycks & Gimpel 2016), Φ the standard normal distribution function.
 *
 * @param approximate - `tanh` takes ½·(1 + tanh(√(2/π)·(x + 0.044715·x³))) for Φ, as torch does under that name
 */
export function gelu(
  x: Tensor,
  { approximate = 'none' }: { readonly approximate?: 'none' | 'tanh' } = {},
): Tensor {
  const inner =
    approximate === 'none'
      ? erf(mul(x, Math.SQRT1_2))
      : tanh(mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
  return mul(mul(x, 0.5), add(inner, 1))
}

/** The sigmoid linear unit x·σ(x), also called swish (Elfwing, Uchibe & Doya 2017). */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x))
}

/** The opposite of a bool tensor. */
export const not = unary({ name: 'not', onnx: 'Not', operand: 'bool', value: x => 1 - x })
const isNan = unary1Bool('isNaN', 'IsNaN', x => +Number.isNaN(x))
const isInfinite = unary1Bool('isInfinite', 'IsInf', x => +(Math.abs(x) === Infinity))

/** Whether each element is neither NaN nor infinite, as bool. */
export function finite(x: Tensor): Tensor {
  return not(or(isNan(x), isInfinite(x)))
}

/**
 * ln(1 + e^x), written as max(x, 0) + ln(1 + e^−|x|) so that no exponential overflows; its derivative is the
 * sigmoid.
 */
export function softplus(x: Tensor): Tensor {
  return apply({
    name: 'softplus',
    inputs: [x],
    outputs: [x],
    gradient: ([dy]) => [mul(dy!, sigmoid(x))],
    lower: (emit, [name]) => {
      const tail = emit.node('Exp', [emit.node('Neg', [emit.node('Abs', [name!])])])
      return [
        emit.node('Add', [
          emit.node('Relu', [name!]),
          emit.node('Log', [emit.node('Add', [tail, emit.float(1)])]),
        ]),
      ]
    },
    evaluate: ([value]) => [mapNd(value!, v => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))))],
  })
}

/** Limits every element to [low, high]; the gradient passes inside, bounds included. */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  return apply({
    name: 'clamp',
    inputs: [x],
    outputs: [x],
    attributes: { low, high },
    gradient: ([dy]) => [mul(dy!, asFloat(and(greaterOrEqual(x, low), lessOrEqual(x, high))))],
    lower: (emit, [name]) => [emit.node('Clip', [name!, emit.float(low), emit.float(high)])],
    evaluate: ([value]) => [mapNd(value!, v => Math.min(Math.max(v, low), high))],
  })
}

/**
 * `condition ? a : b`, element by element, under broadcasting.
 *
 * @throws MoietyError (usage) for a condition that is not bool, two dtypes, or shapes that do not broadcast
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const x = a instanceof Tensor ? a : condition.graph.scalar(a)
  const y = b instanceof Tensor ? b : condition.graph.scalar(b)
  if (condition.dtype !== 'bool' || x.dtype !== y.dtype) {
    return shapeError('where', 'a bool condition and two tensors of one dtype', [condition, x, y])
  }
  const shape = broadcastSymbols('where', [condition, x, y])
  return apply({
    name: 'where',
    inputs: [condition, x, y],
    outputs: [{ dtype: x.dtype, shape }],
    gradient: ([dz]) => [undefined, sumTo(where(condition, dz!, 0), x), sumTo(where(condition, 0, dz!), y)],
    lower: (emit, names) => [emit.node('Where', names)],
    evaluate: ([c, left, right]) => [selectNd(c!, left!, right!)],
  })
}

function selectNd(condition: NdArray, left: NdArray, right: NdArray): NdArray {
  const shape = broadcastShape(condition.shape, broadcastShape(left.shape, right.shape))
  const [test, yes, no] = [condition, left, right].map(array => stretchedReader(array, shape))
  return tabulate(shape, index => (test!(index) === 0 ? no!(index) : yes!(index)))
}

function broadcastSymbols(op: string, tensors: readonly Tensor[]): Shape {
  const rank = Math.max(...tensors.map(tensor => tensor.rank))
  return Array.from({ length: rank }, (_, axis): Dim => {
    const dims = tensors.map(tensor => tensor.shape[axis - rank + tensor.rank] ?? 1)
    const wide = [...new Set(dims.filter(dim => dim !== 1))]
    if (wide.length > 1)
      return shapeError(op, `shapes that broadcast (axis ${axis}: ${showShape(dims)})`, tensors)
    return wide[0] ?? 1
  })
}

const onnxCode = { float32: 1, uint8: 2, int64: 7, bool: 9 } as const

/** Converts the dtype. Float to integer truncates towards zero; to bool is "not zero". No gradient flows. */
export function cast(x: Tensor, dtype: GraphDType): Tensor {
  if (x.dtype === dtype) return x
  return apply({
    name: 'cast',
    inputs: [x],
    outputs: [{ dtype, shape: x.shape }],
    attributes: { dtype },
    gradient: () => [],
    lower: (emit, names) => [emit.node('Cast', names, { to: onnxCode[dtype] })],
    evaluate: ([value]) => {
      if (dtype === 'bool') return [mapNd(value!, v => +(v !== 0))]
      return [dtype === 'float32' ? value! : mapNd(value!, Math.trunc)]
    },
  })
}

/** A bool or integer tensor as float32. */
export function asFloat(x: Tensor): Tensor {
  return cast(x, 'float32')
}

/** The same value, without a gradient. */
export function stopGradient(x: Tensor): Tensor {
  return apply({
    name: 'stopGradient',
    inputs: [x],
    outputs: [x],
    gradient: () => [],
    lower: (_emit, names) => names,
    evaluate: inputs => [...inputs],
  })
}

/** x², which is mul(x, x); dx = 2·dy·x. */
export function square(x: Tensor): Tensor {
  return mul(x, x)
}

function unary1Bool(name: string, onnx: string, value: (x: number) => number): (x: Tensor) => Tensor {
  return x =>
    apply({
      name,
      inputs: [x],
      outputs: [{ dtype: 'bool', shape: x.shape }],
      lower: (emit, names) => [emit.node(onnx, names)],
      evaluate: ([array]) => [mapNd(array!, value)],
    })
}

/** erf to double precision: Maclaurin series below 2.5, Lentz's continued fraction of erfc above. */
function erfOf(x: number): number {
  const magnitude = Math.abs(x)
  if (magnitude < 2.5) {
    let term = magnitude
    let total = magnitude
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
      term *= -(magnitude * magnitude) / n
      total += term / (2 * n + 1)
    }
    return (Math.sign(x) * 2 * total) / Math.sqrt(Math.PI)
  }
  let fraction = 0
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (magnitude + fraction)
  return Math.sign(x) * (1 - Math.exp(-magnitude * magnitude) / ((magnitude + fraction) * Math.sqrt(Math.PI)))
}
