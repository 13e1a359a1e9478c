import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { power, product, program, spec, subtraction } from '../../test/programs.ts'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor, scalar } from '../base/tensor.ts'
import { openLibrary } from './c-api/library.ts'
import { Engine, type LoadedProgram } from './engine.ts'
import { ortApis } from './protocol.ts'

async function refusal(promise: Promise<unknown>): Promise<MoietyError> {
  const error: unknown = await promise.then(
    () => expect.fail('expected an error'),
    (reason: unknown) => reason,
  )
  if (error instanceof MoietyError) return error
  throw error
}

function values(tensor: HostTensor | undefined): number[] {
  return [...(tensor?.data ?? [])].map(Number)
}

function feeds(x: number, divisor = 1): Map<string, HostTensor> {
  return new Map([
    ['x', floats([2], [x, 2 * x])],
    ['divisor', scalar(divisor)],
  ])
}

/** A matrix of small numbers without a pattern. */
function matrix(extent: number): HostTensor {
  return floats(
    [extent, extent],
    Float32Array.from({ length: extent * extent }, (_, i) => Math.sin(i * i) / extent),
  )
}

/** Those that can be called here. */
const apis = ortApis.filter(api => api === 'node' || !('reason' in openLibrary()))

describe.each(apis)('Engine (%s API)', api => {
  let engine: Engine
  let step: LoadedProgram
  const plan = { updates: new Map([["w'", 'w']]), guards: ['loss'] }
  const initial = (): Map<string, HostTensor> => new Map([['w', floats([2], [10, 20])]])

  beforeAll(async () => {
    engine = await Engine.start({ api })
    step = await engine.load(subtraction(2))
  })
  afterAll(() => engine.stop())

  it('takes inputs that are not fed from the state, and returns all outputs', async () => {
    await engine.setState(initial())
    const outputs = await step.run(feeds(1))
    expect([...outputs.keys()]).toEqual(["w'", 'loss'])
    expect(values(outputs.get("w'"))).toEqual([9, 18])
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it('returns only the requested outputs', async () => {
    await engine.setState(initial())
    expect([...(await step.run(feeds(1), { outputs: ['loss'] })).keys()]).toEqual(['loss'])
  })

  it('makes the updates of a step the state, step after step', async () => {
    await engine.setState(initial())
    for (let i = 0; i < 3; i++) {
      const { outputs, committed } = await step.step(feeds(1), plan)
      expect(committed).toBe(true)
      expect([...outputs.keys()]).toEqual(['loss'])
    }
    expect(values((await engine.readState(['w'])).get('w'))).toEqual([7, 14])
  })

  it('leaves the state unchanged when a guard is not finite, and says which', async () => {
    await engine.setState(initial())
    await step.step(feeds(1), plan)
    const result = await step.step(feeds(1, 0), plan)
    expect(result.committed).toBe(false)
    expect(result.nonFinite).toEqual(['loss'])
    expect(values(result.outputs.get('loss'))).toEqual([Infinity, Infinity])
    expect(values((await engine.readState()).get('w'))).toEqual([9, 18])
    await step.step(feeds(1), plan)
    expect(values((await engine.readState()).get('w'))).toEqual([8, 16])
  })

  it('guards the new state itself on request', async () => {
    await engine.setState(initial())
    const result = await step.step(feeds(Number.NaN), { ...plan, guards: ["w'", 'loss'] })
    expect(result).toMatchObject({ committed: false, nonFinite: ["w'", 'loss'] })
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it('copies the state that it is given and the state that it gives', async () => {
    const state = initial()
    await engine.setState(state)
    state.get('w')!.data[0] = 0
    const read = await engine.readState()
    expect(values(read.get('w'))).toEqual([10, 20])
    read.get('w')!.data[0] = 0
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it('keeps a tensor that was given with the memory of one that a step replaces', async () => {
    const { data } = initial().get('w')!
    await engine.setState(
      new Map([
        ...initial(),
        ...['w', 'copy'].map(name => [name, { dtype: 'float32', shape: [2], data }] as const),
      ]),
    )
    await step.step(feeds(1), plan)
    const read = await engine.readState()
    expect(values(read.get('w'))).toEqual([9, 18])
    expect(values(read.get('copy'))).toEqual([10, 20])
  })

  it('refuses two outputs that update one tensor of the state', async () => {
    await engine.setState(initial())
    const updates = new Map([
      ["w'", 'w'],
      ['loss', 'w'],
    ])
    const error = await refusal(step.step(feeds(1), { updates, guards: [] }))
    expect(error).toMatchObject({ kind: 'usage', where: 'state w' })
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it("takes ownership of the state's memory on request", async () => {
    const state = initial()
    await engine.setState(state, { transfer: true })
    expect(state.get('w')!.data).toHaveLength(0)
    expect(values((await engine.readState()).get('w'))).toEqual([10, 20])
  })

  it('shares tensors of its state with another engine, without a message that holds them', async () => {
    const other = await Engine.start({ api })
    try {
      const more = (w: number[], c: bigint): Map<string, HostTensor> =>
        new Map<string, HostTensor>([
          ['kept', scalar(w[0]!)],
          ['odd', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
          ['w', floats([2], w)],
          ['count', { dtype: 'int64', shape: [1], data: BigInt64Array.of(c) }],
        ])
      const names = ['odd', 'w', 'count']
      await engine.setState(more([1, 2], 5n))
      await other.setState(more([-1, -2], 0n))
      const shared = await engine.share(names)
      await other.adopt(shared)
      const adopted = await other.readState()
      expect(values(adopted.get('w'))).toEqual([1, 2])
      expect(values(adopted.get('odd'))).toEqual([1, 0, 1])
      expect(values(adopted.get('count'))).toEqual([5])
      expect(values(adopted.get('kept'))).toEqual([-1])
      // What is computed from it is computed from what was adopted, and the next time the same memory does.
      const loaded = await other.load(subtraction(2))
      expect(values((await loaded.run(feeds(1))).get("w'"))).toEqual([0, 0])
      await engine.setState(more([7, 8], 6n))
      await other.adopt(await engine.share(names))
      expect(values((await other.readState(['w'])).get('w'))).toEqual([7, 8])

      await engine.setState(new Map([...more([7, 8], 6n), ['w', floats([3], [1, 2, 3])]]))
      const wrong = await refusal(other.adopt(await engine.share(names)))
      expect(wrong).toMatchObject({ message: 'expected float32 [2], but got float32 [3]', where: 'state w' })
      expect((await refusal(engine.share(['y']))).help).toContain('it holds')
    } finally {
      await other.stop()
    }
  })

  it.runIf(api === 'c')('shares its memory itself, to which only the engine that has it writes', async () => {
    const other = await Engine.start({ api })
    try {
      await engine.setState(initial())
      const first = await engine.share(['w'])
      await other.adopt(first)
      // One memory: what is written to it here, both engines have.
      first.get('w')!.data[0] = 11
      for (const each of [engine, other]) expect(values((await each.readState()).get('w'))).toEqual([11, 20])
      // A step of the one that adopted it writes elsewhere.
      const loaded = await other.load(subtraction(2))
      await loaded.step(feeds(1), plan)
      await loaded.step(feeds(1), plan)
      expect(values((await other.readState()).get('w'))).toEqual([9, 16])
      expect(values((await engine.readState()).get('w'))).toEqual([11, 20])
      // A step of the one that has it writes there, if it counts.
      await other.adopt(first)
      await step.step(feeds(1, 0), plan)
      expect(values((await other.readState()).get('w'))).toEqual([11, 20])
      await step.step(feeds(1), plan)
      expect(values((await other.readState()).get('w'))).toEqual([10, 18])
      expect((await engine.share(['w'])).get('w')!.data.buffer).toBeInstanceOf(SharedArrayBuffer)
      expect(values(first.get('w'))).toEqual([10, 18])
    } finally {
      await other.stop()
    }
  })

  it('transfers feeds if allowed, and leaves them unchanged otherwise', async () => {
    await engine.setState(initial())
    const kept = feeds(1)
    await step.run(kept)
    expect(kept.get('x')?.data.byteLength).toBe(8)
    const given = feeds(1)
    expect(values((await step.run(given, { transfer: true })).get("w'"))).toEqual([9, 18])
    expect(given.get('x')?.data.byteLength).toBe(0)
  })

  it('never transfers the rest of a view’s buffer', async () => {
    await engine.setState(initial())
    const all = Float32Array.of(0, 1, 2, 0)
    const x: HostTensor = { dtype: 'float32', shape: [2], data: all.subarray(1, 3) }
    const outputs = await step.run(new Map([...feeds(0), ['x', x]]), { transfer: true })
    expect(values(outputs.get("w'"))).toEqual([9, 18])
    expect([...all]).toEqual([0, 1, 2, 0])
  })

  it('passes every element type and empty tensors through unchanged', async () => {
    const types = ['float32', 'int64', 'bool', 'uint8'] as const
    const loaded = await engine.load(
      program(
        types.map(type => ({ op: 'Identity', name: type, inputs: [`in ${type}`], outputs: [`out ${type}`] })),
        types.map(type => spec(`in ${type}`, ['N'], type)),
        types.map(type => spec(`out ${type}`, ['N'], type)),
      ),
    )
    const full: HostTensor[] = [
      floats([2], [-0.5, Infinity]),
      { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) },
      { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
      { dtype: 'uint8', shape: [2], data: Uint8Array.of(255, 7) },
    ]
    const empty = full.map(tensor => ({ ...tensor, shape: [0], data: tensor.data.slice(0, 0) }))
    for (const tensors of [full, empty]) {
      const outputs = await loaded.run(new Map(tensors.map(tensor => [`in ${tensor.dtype}`, tensor])))
      expect([...outputs.values()]).toEqual(tensors)
    }
    await loaded.release()
  })

  it('gives the same bits for the same feeds, also from another engine', async () => {
    const feed = new Map([['a', matrix(256)]])
    const other = await Engine.start({ api, threads: engine.threads })
    const results: HostTensor[] = []
    for (const where of [engine, engine, other]) {
      const loaded = await where.load(power(3))
      results.push((await loaded.run(feed)).get('a3')!)
      await loaded.release()
    }
    await other.stop()
    expect(results[1]?.data).toEqual(results[0]?.data)
    expect(results[2]?.data).toEqual(results[0]?.data)
  })

  it('serves requests in the order in which they were made', async () => {
    await engine.setState(initial())
    const steps = [1, 2, 3].map(x => step.step(feeds(x), plan))
    const read = engine.readState(['w'])
    await engine.setState(initial())
    await Promise.all(steps)
    expect(values((await read).get('w'))).toEqual([4, 8])
  })

  it('leaves the event loop free while it computes', async () => {
    const loaded = await engine.load(power(8))
    let ticks = 0
    let done = false
    const running = loaded.run(new Map([['a', matrix(1024)]])).finally(() => {
      done = true
    })
    while (!done) {
      await new Promise(resolve => setImmediate(resolve))
      if (!done) ticks++
    }
    await running
    // A blocked loop would turn only around the messages that begin and end the run.
    expect(ticks).toBeGreaterThan(20)
    await loaded.release()
  })
})

describe.each(apis)('What the engine refuses (%s API)', api => {
  let engine: Engine
  let step: LoadedProgram
  const plan = { updates: new Map([["w'", 'w']]), guards: [] }

  beforeAll(async () => {
    engine = await Engine.start({ api, threads: 1 })
    step = await engine.load(subtraction(2))
  })
  afterAll(() => engine.stop())

  it('an operation that fails, by the name of its node', async () => {
    const loaded = await engine.load(product)
    const a = floats([1, 3], [1, 2, 3])
    const error = await refusal(
      loaded.run(
        new Map([
          ['a', a],
          ['b', floats([2, 1], [1, 2])],
        ]),
      ),
    )
    expect(error).toMatchObject({ kind: 'data', where: 'node layer1.product (MatMul)' })
    expect(error.message).toContain('dimension mismatch')
  })

  it('a program that is not valid, by the name of its node', async () => {
    const wrong = program(
      [{ op: 'Multiply', name: 'layer1.wrong', inputs: ['x', 'x'], outputs: ['y'] }],
      [spec('x', [2])],
      [spec('y', [2])],
    )
    const error = await refusal(engine.load(wrong))
    expect(error).toMatchObject({ kind: 'usage', where: 'node layer1.wrong (Multiply)' })
    expect(await refusal(engine.load({ ...wrong, model: Uint8Array.of(1, 2, 3) }))).toMatchObject({
      kind: 'usage',
    })
  })

  it('an input that is neither fed nor in the state', async () => {
    await engine.setState(new Map())
    const error = await refusal(step.run(feeds(1)))
    expect(error).toMatchObject({ kind: 'usage', where: 'tensor w, float32 [2]' })
  })

  it('a state that does not fit the program', async () => {
    await engine.setState(new Map([['w', floats([3], [1, 2, 3])]]))
    const error = await refusal(step.run(feeds(1)))
    expect(error.describe()).toContain('expected float32 [2], but got float32 [3]\n  at tensor w')
  })

  it('an update that would change the shape of the state', async () => {
    await engine.setState(
      new Map([
        ['w', floats([2], [1, 2])],
        ['v', floats([], [1])],
      ]),
    )
    const error = await refusal(step.step(feeds(1), { ...plan, updates: new Map([["w'", 'v']]) }))
    expect(error).toMatchObject({ kind: 'usage', where: "output w', state v" })
  })

  it('an update whose shape was not known before, and then is another', async () => {
    await engine.setState(new Map([['w', floats([3], [1, 2, 3])]]))
    const doubled = program(
      [{ op: 'Add', name: 'twice', inputs: ['x', 'x'], outputs: ["w'"] }],
      [spec('x', ['n'])],
      [spec("w'", ['n'])],
    )
    const loaded = await engine.load(doubled)
    const take = (length: number) =>
      loaded.step(new Map([['x', floats([length], new Float32Array(length).fill(4))]]), {
        updates: new Map([["w'", 'w']]),
        guards: [],
      })
    expect((await refusal(take(5))).message).toBe('the program writes float32 [5] over float32 [3]')
    expect(values((await engine.readState()).get('w'))).toEqual([1, 2, 3])
    await take(3)
    expect(values((await engine.readState()).get('w'))).toEqual([8, 8, 8])
  })

  it('names that the program or the state does not have', async () => {
    await engine.setState(new Map([['w', floats([2], [1, 2])]]))
    expect((await refusal(step.run(new Map([['y', scalar(1)]])))).message).toContain('no input named "y"')
    expect((await refusal(step.run(feeds(1), { outputs: ['y'] }))).help).toContain("w', loss")
    expect((await refusal(step.step(feeds(1), { ...plan, guards: ['y'] }))).message).toContain('"y"')
    expect((await refusal(engine.readState(['y']))).help).toContain('it holds w')
  })

  it('a program that was released', async () => {
    const loaded = await engine.load(product)
    await loaded.release()
    expect((await refusal(loaded.release())).message).toContain('released')
  })

  it('thread counts that are not positive integers', async () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      expect(await refusal(Engine.start({ threads }))).toMatchObject({ kind: 'usage', where: 'threads' })
    }
  })

  it('and keeps working afterwards', async () => {
    await engine.setState(new Map([['w', floats([2], [1, 2])]]))
    await refusal(step.step(new Map(), plan))
    expect((await step.step(feeds(1), plan)).committed).toBe(true)
  })
})
