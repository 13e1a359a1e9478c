import type { ConvolutionSemantics, KernelGradientSemantics } from '../graph/node-semantics.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { type Blocking, roundedUp } from './blocking.ts'

const m = 4
const r = 6
const B = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
]
const G = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
]
const A = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
]
type Matrix = number[][]
const transposed = (M: Matrix): Matrix => M[0]!.map((_, j) => M.map(row => row[j]!))
const kron = (P: Matrix, Q: Matrix): Matrix =>
  P.flatMap(p => Q.map(q => p.flatMap(a => q.map(b => a * b))))
function inputMatrix(S: number): Matrix {
  const t = Math.ceil(S / m)
  return Array.from({ length: r * t }, (_, row) => {
    const [a, k] = [Math.floor(row / t), row % t]
    return Array.from({ length: S }, (_, y) => B[a]![y - (k * m - 1)] ?? 0)
  })
}
function outputMatrix(S: number): Matrix {
  const t = Math.ceil(S / m)
  return Array.from({ length: S }, (_, y) =>
    Array.from({ length: r * t }, (_, row) => {
      const [a, k] = [Math.floor(row / t), row % t]
      return A[y - k * m]?.[a] ?? 0
    }),
  )
}

function matrix(emit: Blocking, M: Matrix): string {
  return emit.floats([M.length, M[0]!.length], M.flat())
}

function alongBoth(emit: Blocking, value: string, H: Matrix, W: Matrix): string {
  if (H[0]!.length * W[0]!.length <= 36) {
    const both = kron(H, W)
    return emit.node('MatMul', [matrix(emit, both), emit.node('Reshape', [value, emit.ints(both[0]!.length, -1)])])
  }
  const [h, w] = [H[0]!.length, W[0]!.length]
  if (H.length > h) {
    const rows = emit.node('MatMul', [matrix(emit, H), emit.node('Reshape', [value, emit.ints(h, -1)])])
    return emit.node('MatMul', [matrix(emit, W), emit.node('Reshape', [rows, emit.ints(H.length, w, -1)])])
  }
  const rows = emit.node('MatMul', [matrix(emit, W), emit.node('Reshape', [value, emit.ints(h, w, -1)])])
  return emit.node('MatMul', [matrix(emit, H), emit.node('Reshape', [rows, emit.ints(h, -1)])])
}

interface Form { O: number; C: number; H: number; W: number; th: number; tw: number }

function positionMajor(emit: Blocking, plain: string, { H, W }: Form): string {
  return emit.once(`positions of ${plain}`, () => {
    const places = emit.node('Reshape', [emit.inBlocks(plain), emit.ints(1, -1, 1, H * W * emit.block)])
    return emit.blocked('ReorderInput', [places], { channels_last: 1 })
  })
}
function toBlocks(emit: Blocking, value: string, C: number, { H, W }: Form): string {
  const places = emit.node('Reshape', [value, emit.ints(1, H * W, 1, -1)])
  const turned = emit.blocked('ReorderInput', [places], { channels_last: 1 })
  return emit.node('Reshape', [turned, emit.ints(-1, C, H, W)])
}
const env = typeof process === 'undefined' ? {} as any : process.env
function transformedX(emit: Blocking, x: string, f: Form, again: boolean): string {
  const make = () =>
    emit.node('Reshape', [
      alongBoth(emit, positionMajor(emit, x, f), inputMatrix(f.H), inputMatrix(f.W)),
      emit.ints(r, f.th, r, -1, f.C),
    ])
  return emit.once(`V of ${x}`, make)
}
function transformedDy(emit: Blocking, dy: string, f: Form): string {
  return emit.once(`dM of ${dy}`, () =>
    emit.node('Reshape', [
      alongBoth(emit, positionMajor(emit, dy, f), transposed(outputMatrix(f.H)), transposed(outputMatrix(f.W))),
      emit.ints(r, f.th, r, -1, f.O),
    ]),
  )
}
const K = kron(G, G)
function transformedKernel(emit: Blocking, w: string, f: Form, of: { O: number; C: number }): string {
  return emit.once(`U of ${w}`, () => {
    const padded = of.O === f.O && of.C === f.C ? w : emit.node('Pad', [w, emit.ints(0, 0, 0, 0, f.O - of.O, f.C - of.C, 0, 0)])
    const rows = emit.node('Reshape', [padded, emit.ints(f.O * f.C, 9)])
    return emit.node('Reshape', [emit.fused([matrix(emit, K), rows], { transB: 1 }), emit.ints(r, 1, r, f.O, f.C)])
  })
}

function formOf(emit: Blocking, O: number, C: number, H: number, W: number): Form {
  return { O: roundedUp(O, emit.block), C: roundedUp(C, emit.block), H, W, th: Math.ceil(H / m), tw: Math.ceil(W / m) }
}
function worth(O: number, C: number, H: number, W: number): boolean {
  const least = Number(env.WG ?? 40)
  const fill = (H * W) / (m * m * Math.ceil(H / m) * Math.ceil(W / m))
  return (O * C) / (O + C) >= least && fill >= 0.7
}

export function winogradConvolution(emit: Blocking, node: OnnxNode, s: ConvolutionSemantics): boolean {
  if (s.extents === undefined || env.WG === 'off') return false
  const { kernel_shape, pads, strides = [1, 1], dilations = [1, 1] } = node.attributes
  if ([kernel_shape, pads, strides, dilations].join(' ') !== '3,3 1,1,1,1 1,1 1,1') return false
  const { height: H, width: W } = s.extents
  const { inputs, outputs } = s.channels
  if (!worth(outputs, inputs, H, W)) return false
  const [x, w] = node.inputs as [string, string]
  if (s.rotatedFrom === undefined) {
    const f = formOf(emit, outputs, inputs, H, W)
    const M = emit.fused([transformedX(emit, x, f, false), transformedKernel(emit, w, f, { O: outputs, C: inputs })], { transB: 1 })
    const Y = alongBoth(emit, M, outputMatrix(H), outputMatrix(W))
    emit.made(node.outputs[0]!, toBlocks(emit, Y, f.O, f), outputs)
  } else {
    const f = formOf(emit, inputs, outputs, H, W)
    const dV = emit.node('MatMul', [transformedDy(emit, x, f), transformedKernel(emit, s.rotatedFrom, f, { O: inputs, C: outputs })])
    const dX = alongBoth(emit, dV, transposed(inputMatrix(H)), transposed(inputMatrix(W)))
    emit.made(node.outputs[0]!, toBlocks(emit, dX, f.C, f), outputs)
  }
  return true
}

export function winogradKernelGradient(emit: Blocking, node: OnnxNode, s: KernelGradientSemantics): boolean {
  const { kernel, stride, padding, channels, from } = s.of
  if (env.WG === 'off' || [...kernel, stride, padding].join(' ') !== '3 3 1 1') return false
  const [H, W] = from
  if (!worth(channels.outputs, channels.inputs, H, W)) return false
  const f = formOf(emit, channels.outputs, channels.inputs, H, W)
  const dU = emit.fused([transformedDy(emit, s.dy, f), transformedX(emit, s.x, f, true)], { transA: 1 })
  const summed = f.th === 1 ? dU : emit.node('ReduceSum', [dU, emit.ints(1)], { keepdims: 0 })
  const rows = emit.node('Reshape', [summed, emit.ints(r * r, f.O * f.C)])
  const dw = emit.fused([rows, matrix(emit, K)], { transA: 1 })
  const whole = emit.node('Reshape', [dw, emit.ints(f.O, f.C, 3, 3)])
  const { outputs: O, inputs: C } = channels
  if (O === f.O && C === f.C) emit.node('Identity', [whole], {}, node.outputs[0]!)
  else emit.node('Slice', [whole, emit.ints(0, 0), emit.ints(O, C), emit.ints(0, 1)], {}, node.outputs[0]!)
  return true
}
