import { draws } from '../base/random.ts'
import { floats, sizeOf } from '../base/tensor.ts'
import {
  conv2d,
  Graph,
  globalAveragePool,
  gradients,
  interpret,
  lower,
  mean,
  relu,
  square,
} from '../graph/index.ts'
import { Engine } from '../runtime/index.ts'

/** What the engine made of the probe network. */
export interface ProbeResult {
  /** The largest difference from float64, relative to each tensor's largest value. */
  readonly error: number
  /** Start, compilation and one run, in seconds. */
  readonly seconds: number
}

const shapes = { x: [2, 3, 10, 10], first: [16, 3, 3, 3], second: [32, 16, 3, 3] } as const

/**
 * Computes two convolutions and the gradients of both on the engine and, in float64, by the interpreter of the
 * same graph.
 */
export async function probeEngine(): Promise<ProbeResult> {
  const graph = new Graph()
  const input = (name: keyof typeof shapes) => graph.input(name, 'float32', shapes[name])
  const first = input('first')
  const second = input('second')
  const hidden = relu(conv2d(input('x'), first, { padding: 1 }))
  const loss = mean(square(globalAveragePool(conv2d(hidden, second, { stride: 2, padding: 1 }))))
  const wanted = [loss, ...gradients(loss, [first, second])]
  const values = Object.entries(shapes).map(([name, shape]) => {
    const source = draws(1, `doctor.${name}`)
    return [
      name,
      floats(
        shape,
        Array.from({ length: sizeOf(shape) }, () => source.normal()),
      ),
    ] as const
  })

  const start = performance.now()
  const engine = await Engine.start()
  try {
    const program = await engine.load(lower(new Map(wanted.map((tensor, i) => [`output${i}`, tensor]))))
    const outputs = await program.run(new Map(values))
    const seconds = (performance.now() - start) / 1000
    const exact = interpret(
      wanted,
      new Map(
        values.map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data, Number) }]),
      ),
    )
    const errors = exact.map(({ data }, i) => difference(data, outputs.get(`output${i}`)?.data ?? []))
    return { error: Math.max(...errors), seconds }
  } finally {
    await engine.stop()
  }
}

function difference(exact: Float64Array, got: ArrayLike<number | bigint>): number {
  const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
  const largest = exact.reduce((error, value, i) => Math.max(error, Math.abs(value - Number(got[i]))), 0)
  // Math.max keeps NaN, so a value that is missing or not finite is never taken for right.
  return largest / scale
}
