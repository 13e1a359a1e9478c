import { expect, it } from 'vitest'
import { subtraction } from '../../test/programs.ts'
import { floats, scalar } from '../base/tensor.ts'
import { concat, Graph, lower, sum } from '../graph/index.ts'
import { openLibrary } from './c-api/library.ts'
import { Engine } from './engine.ts'
import { type OrtApi, ortApis } from './protocol.ts'

const megabyte = 2 ** 20

/** The Node binding where the C API cannot be called. */
const usable = (api: OrtApi): OrtApi => ('reason' in openLibrary() ? 'node' : api)

/** Bytes of the process that are in memory, after garbage collection. */
async function settledMemory(): Promise<number> {
  let least = Infinity
  for (let i = 0; i < 10; i++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    least = Math.min(least, process.memoryUsage().rss)
  }
  return least
}

it.each(ortApis)('keeps its memory over a thousand steps (%s API)', async api => {
  const extent = megabyte / 4
  const engine = await Engine.start({ api: usable(api) })
  const step = await engine.load(subtraction(extent))
  await engine.setState(new Map([['w', floats([extent], new Float32Array(extent))]]))
  const advance = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const feeds = new Map([
        ['x', floats([extent], new Float32Array(extent).fill(1))],
        ['divisor', scalar(1)],
      ])
      await step.step(feeds, { updates: new Map([["w'", 'w']]), guards: ['loss'], transfer: i % 2 === 0 })
    }
  }
  await advance(150)
  const before = await settledMemory()
  await advance(1000)
  const after = await settledMemory()
  const w = (await engine.readState()).get('w')
  await engine.stop()
  expect(w?.data[0]).toBe(-1150)
  // Each step moves three tensors of 1 MB: one that was kept every time would make this a thousand.
  expect((after - before) / megabyte).toBeLessThan(200)
})

it.each(ortApis)('gives the memory of an engine back when it is stopped (%s API)', async api => {
  const extent = 8 * megabyte
  const cycle = async (): Promise<void> => {
    const engine = await Engine.start({ api: usable(api) })
    await engine.load(subtraction(extent))
    await engine.setState(new Map([['w', floats([extent], new Float32Array(extent))]]))
    await engine.stop()
  }
  for (let i = 0; i < 2; i++) await cycle()
  const before = await settledMemory()
  for (let i = 0; i < 9; i++) await cycle()
  // Each engine held 32 MB of state: kept, they would be 288.
  expect(((await settledMemory()) - before) / megabyte).toBeLessThan(140)
})

it.each(ortApis)(
  'keeps the memory of a run for the next, unless the program is marked as run rarely (%s API)',
  async api => {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [8 * megabyte])
    // 128 MB while it runs.
    const program = lower(new Map([['total', sum(concat([x, x, x, x], 0))]]))
    const engine = await Engine.start({ api: usable(api) })
    await engine.setState(new Map([['x', floats([8 * megabyte], new Float32Array(8 * megabyte).fill(1))]]))
    const kept = async (seldom: boolean): Promise<number> => {
      const loaded = await engine.load(program, { seldom })
      const before = await settledMemory()
      const outputs = await loaded.run(new Map())
      expect(outputs.get('total')?.data[0]).toBe(32 * megabyte)
      return ((await settledMemory()) - before) / megabyte
    }
    try {
      expect(await kept(true)).toBeLessThan(64)
      expect(await kept(false)).toBeGreaterThan(96)
    } finally {
      await engine.stop()
    }
  },
)
