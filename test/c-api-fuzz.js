import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { add, Graph, lower, matmul, sub } from '../dist/graph/index.js'
import { openLibrary } from '../dist/runtime/c-api/library.js'
import { NativeRuntime } from '../dist/runtime/c-api/native-runtime.js'
import { Engine } from '../dist/runtime/index.js'

/*
 * Uses ONNX Runtime's C API in random orders, in a process that may be lost:
 *
 *     node --expose-gc test/c-api-fuzz.js runtime|threads|sessions|engines SEED COUNT
 *
 * It ends with `done` where every result was right and every wrong use an error.
 */

/** @param {number} seed whole numbers from 0 to `below`, xorshift */
function numbers(seed) {
  let x = seed * 2654435761 + 1 || 1
  return below => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

const floats = (shape, data) => ({ dtype: 'float32', shape, data: Float32Array.from(data) })

/** `difference` = a − b and `sum` = a + b of vectors of any length; `product` of matrices, which fails where they do not match. */
function programs() {
  const graph = new Graph()
  const [a, b] = ['a', 'b'].map(name => graph.input(name, 'float32', ['N']))
  const vectors = lower(
    new Map([
      ['difference', sub(a, b)],
      ['sum', add(a, b)],
    ]),
  )
  const other = new Graph()
  const [x, y] = [other.input('x', 'float32', ['M', 'K']), other.input('y', 'float32', ['K', 'N'])]
  return { vectors, product: lower(new Map([['product', matmul(x, y)]])) }
}

const options = (keepsMemory, more = {}) => ({
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  enableMemPattern: false,
  enableCpuMemArena: keepsMemory,
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
  ...more,
})

const namesOf = ({ inputs, outputs }) => [...inputs, ...outputs].map(({ name }) => name)

function check(condition, what) {
  if (!condition) throw new Error(what)
}

function refused(what, act) {
  try {
    act()
  } catch (error) {
    check(error instanceof Error && error.message.length > 5, `${what}: ${error}`)
    return
  }
  throw new Error(`${what} was not refused`)
}

function library() {
  const found = openLibrary()
  if ('reason' in found) throw new Error(found.reason)
  return found
}

function fuzzRuntime(seed, count) {
  const next = numbers(seed)
  const { vectors, product } = programs()
  let runtime = new NativeRuntime(library())
  let sessions = []
  /** Results with what they must still be when they are read later. */
  const results = []
  const vector = (length, isShared) => {
    const buffer = isShared ? new SharedArrayBuffer(4 * length) : new ArrayBuffer(4 * length)
    const data = new Float32Array(buffer)
    for (let i = 0; i < length; i++) data[i] = next(1000) - 500
    return { dtype: 'float32', shape: [length], data }
  }
  const open = () => {
    const isVectors = next(2) === 0
    const program = isVectors ? vectors : product
    const id = runtime.open(program.model, namesOf(program), options(next(2) === 0))
    sessions.push({ id, isVectors })
  }
  const run = ({ id, isVectors }) => {
    if (!isVectors) {
      const [m, k, n] = [1 + next(4), next(4), 1 + next(4)]
      const given = new Map([
        ['x', floats([m, k], new Float32Array(m * k).fill(2))],
        ['y', floats([k, n], new Float32Array(k * n).fill(3))],
      ])
      const { shape, data } = runtime.run(id, given, [{ name: 'product' }]).get('product')
      check(String(shape) === String([m, n]), 'the shape of a product')
      if (k > 0)
        check(
          data.every(value => value === 6 * k),
          'a product',
        )
      return
    }
    const length = next(3) === 0 ? next(3) : next(20_000)
    const [a, b] = [vector(length, next(2) === 0), vector(length, next(2) === 0)]
    if (next(4) === 0) {
      // Put over what was read, if it is accepted.
      const accepts = next(2) === 0
      const [before, expected] = [a.data.slice(), Array.from(a.data, (value, i) => value - b.data[i])]
      const given = new Map(Object.entries({ a, b }))
      const asked = [{ name: 'difference', after: a }, { name: 'sum' }]
      const came = runtime.run(id, given, asked, results =>
        results.has('sum') && !results.has('difference') && accepts ? [] : false,
      )
      const right = accepts ? expected : before
      check(
        [...came.keys()].join() === 'sum' && right.every((value, i) => value === a.data[i]),
        'values put in place',
      )
      return
    }
    if (next(4) === 0) {
      // a ← a − (a + b) and c ← (a + b) + c over the values of a and c, of the sum that the run keeps.
      const c = vector(length, next(2) === 0)
      const expected = [
        [a, Array.from(a.data, (value, i) => Math.fround(value - Math.fround(value + b.data[i])))],
        [c, Array.from(c.data, (value, i) => Math.fround(Math.fround(a.data[i] + b.data[i]) + value))],
      ]
      const update = (vectors, outputs) => ({
        session: id,
        vectors: new Map(Object.entries(vectors)),
        scalars: new Map(),
        outputs: new Map(Object.entries(outputs)),
      })
      const came = runtime.run(id, new Map(Object.entries({ a, b })), [{ name: 'sum', isKept: true }], () => [
        update({ a, b: 'sum' }, { difference: a }),
        update({ a: 'sum', b: c }, { sum: c }),
      ])
      check(
        came.size === 0 &&
          expected.every(([{ data }, right]) => right.every((value, i) => value === data[i])),
        'updates over what they read',
      )
      return
    }
    const wanted = [{ name: 'difference', into: next(2) === 0 ? undefined : vector(length, next(2) === 0) }]
    if (next(2) === 0) wanted.push({ name: 'sum', into: next(2) === 0 ? undefined : vector(length, false) })
    const given = new Map([
      ['a', a],
      ['b', b],
    ])
    const came = runtime.run(id, given, wanted)
    for (const [name, { data }] of came) {
      const sign = name === 'sum' ? 1 : -1
      results.push({ data, expected: Array.from(a.data, (value, i) => value + sign * b.data[i]) })
    }
  }
  const wrongly = session => {
    const { id, isVectors } = session ?? { id: -1, isVectors: true }
    const [a, b] = [vector(5, false), vector(5, false)]
    const both = (x, y) =>
      new Map([
        [isVectors ? 'a' : 'x', x],
        [isVectors ? 'b' : 'y', y],
      ])
    const out = [{ name: isVectors ? 'difference' : 'product' }]
    const ways = {
      'a shape that is too large': () => runtime.run(id, both({ ...a, shape: [1 << 20] }, b), out),
      'a negative extent': () => runtime.run(id, both({ ...a, shape: [-5] }, b), out),
      'an extent that is no whole number': () => runtime.run(id, both({ ...a, shape: [5.5] }, b), out),
      'extents whose product is too large': () =>
        runtime.run(id, both({ ...a, shape: [2 ** 31, 2 ** 31, 2 ** 31] }, b), out),
      'another class of array': () => runtime.run(id, both({ ...a, data: new Float64Array(5) }, b), out),
      'no array': () => runtime.run(id, both({ ...a, data: 77 }, b), out),
      'an element type that there is not': () => runtime.run(id, both({ ...a, dtype: 'complex64' }, b), out),
      'another element type': () =>
        runtime.run(id, both({ dtype: 'int64', shape: [5], data: new BigInt64Array(5) }, b), out),
      'memory that was given away': () => {
        structuredClone(a.data, { transfer: [a.data.buffer] })
        runtime.run(id, both(a, b), out)
      },
      'an unknown input': () => runtime.run(id, new Map([['z', a]]), out),
      'an unknown output': () => runtime.run(id, both(a, b), [{ name: 'z' }]),
      'a missing input': () => runtime.run(id, new Map([[isVectors ? 'a' : 'x', a]]), out),
      'lengths that differ': () => runtime.run(id, both(a, vector(4, false)), out),
      'an output of another shape': () =>
        runtime.run(id, both(a, b), [{ ...out[0], into: vector(4, false) }]),
      'an output put over a tensor of another shape': () => {
        const place = vector(4, false)
        const before = place.data.slice()
        try {
          runtime.run(id, both(a, b), [{ ...out[0], after: place }])
        } finally {
          check(
            before.every((value, i) => value === place.data[i]),
            'a place that does not fit was written',
          )
        }
      },
      'an output put over no memory': () =>
        runtime.run(id, both(a, b), [{ ...out[0], after: { ...a, shape: [1 << 20] } }]),
      'a question that fails': () =>
        runtime.run(id, both(a, b), out, () => {
          throw new Error('not accepted')
        }),
      ...Object.fromEntries(
        Object.entries({
          'an update of other lengths': { vectors: { a, b: vector(4, false) }, outputs: { difference: a } },
          'an update over another length': { vectors: { a, b }, outputs: { difference: vector(4, false) } },
          'an update of whole numbers': {
            vectors: { a, b: { dtype: 'int64', shape: [5], data: new BigInt64Array(5) } },
            outputs: { difference: a },
          },
          'an update of what is not kept': { vectors: { a, b: 'sum' }, outputs: { difference: a } },
          'an update of an unknown input': { vectors: { a, z: b }, outputs: { difference: a } },
          'an update of a session that there is not': {
            ...{ session: 12_345_678, vectors: { a, b }, outputs: { difference: a } },
          },
        }).map(([what, { session: of = id, vectors, outputs }]) => [
          what,
          () =>
            runtime.run(id, both(a, b), out, () => [
              {
                session: of,
                vectors: new Map(Object.entries(vectors)),
                scalars: new Map(),
                outputs: new Map(Object.entries(outputs)),
              },
            ]),
        ]),
      ),
      'a run within a run': () => runtime.run(id, both(a, b), out, () => runtime.run(id, both(a, b), out)),
      'closing within a run': () => runtime.run(id, both(a, b), out, () => runtime.closeSession(id)),
      'closing everything within a run': () => runtime.run(id, both(a, b), out, () => runtime.close()),
      'an output over an input': () => runtime.run(id, both(a, b), [{ ...out[0], into: a }]),
      'two outputs in one place': () =>
        runtime.run(id, both(a, b), [
          { name: 'difference', into: b },
          { name: 'sum', into: b },
        ]),
      'no model': () => runtime.open(Uint8Array.of(1, 2, 3), ['a'], options(true)),
      'an empty model': () => runtime.open(new Uint8Array(0), ['a'], options(true)),
      'a zero in a name': () => runtime.open(vectors.model, ['a\0b'], options(true)),
      'a setting that there is not': () =>
        runtime.open(vectors.model, ['a'], options(true, { executionMode: 'parallel' })),
      'a session that there is not': () => runtime.run(12_345_678, both(a, b), out),
    }
    const entries = Object.entries(ways)
    const [what, act] = entries[next(entries.length)]
    refused(what, act)
  }
  for (let i = 0; i < count; i++) {
    const session = sessions[next(Math.max(sessions.length, 1))]
    const choice = next(100)
    if (session === undefined || (choice < 8 && sessions.length < 12)) open()
    else if (choice < 60) run(session)
    else if (choice < 82) wrongly(session)
    else if (choice < 90) {
      runtime.closeSession(session.id)
      if (next(2) === 0) runtime.closeSession(session.id)
      sessions = sessions.filter(one => one !== session)
      refused('a closed session', () => runtime.run(session.id, new Map(), []))
    } else if (choice < 97) globalThis.gc?.()
    else if (choice < 99)
      for (const { data, expected } of results.splice(0))
        check(
          expected.every((value, at) => value === data[at]) && data.length === expected.length,
          'a kept result',
        )
    else {
      const old = runtime
      old.close()
      old.close()
      refused('a closed runtime', () => old.open(vectors.model, [], options(true)))
      sessions = []
      runtime = new NativeRuntime(library())
    }
  }
  for (const { data, expected } of results)
    check(
      expected.every((value, at) => value === data[at]),
      'a result after the end',
    )
  // Every third one is left open, as by a program that ends without closing it.
  if (seed % 3 !== 0) runtime.close()
}

/** Many sessions, one after the other, whose results are read when they are gone, with failures between. */
function manySessions(count) {
  const { vectors, product } = programs()
  const runtime = new NativeRuntime(library())
  const kept = []
  for (let i = 0; i < count; i++) {
    const id = runtime.open(vectors.model, namesOf(vectors), options(i % 2 === 0))
    const given = new Map([
      ['a', floats([3], [i, 2, 3])],
      ['b', floats([3], [1, 1, 1])],
    ])
    kept.push(runtime.run(id, given, [{ name: 'sum' }]).get('sum').data)
    if (i % 50 === 0) {
      const failing = runtime.open(product.model, namesOf(product), options(true))
      const wrong = new Map([
        ['x', floats([1, 2], [1, 2])],
        ['y', floats([3, 1], [1, 2, 3])],
      ])
      refused('matrices that do not match', () => runtime.run(failing, wrong, [{ name: 'product' }]))
      globalThis.gc?.()
    }
    // The others stay open until the end.
    if (i % 100 !== 0) runtime.closeSession(id)
  }
  runtime.close()
  globalThis.gc?.()
  for (const [i, data] of kept.entries())
    check(data[0] === i + 1 && data[2] === 4, 'a result of a session that is gone')
}

/** Engines that are stopped while they compute, or dropped, share state, and take steps that do not count. */
async function fuzzEngines(seed, count) {
  const next = numbers(seed)
  const length = 50_000
  const graph = new Graph()
  const [w, x] = ['w', 'x'].map(name => graph.input(name, 'float32', [length]))
  const program = lower(
    new Map([
      ['next', sub(w, x)],
      ['guard', sub(x, 0)],
    ]),
  )
  const plan = { updates: new Map([['next', 'w']]), guards: ['guard'] }
  const start = async () => {
    const engine = await Engine.start({ api: 'c', threads: 1 })
    await engine.setState(new Map([['w', floats([length], new Float32Array(length))]]))
    return { engine, loaded: await engine.load(program), w: 0 }
  }
  const feeds = value => new Map([['x', floats([length], new Float32Array(length).fill(value))]])
  const dropped = []
  let sides = [await start(), await start()]
  for (let i = 0; i < count; i++) {
    const side = sides[next(2)]
    const other = sides.find(one => one !== side)
    const choice = next(10)
    if (choice < 4) {
      const value = next(4) === 0 ? Number.NaN : next(10)
      const { committed } = await side.loaded.step(feeds(value), { ...plan, transfer: next(2) === 0 })
      check(committed === !Number.isNaN(value), 'whether a step counts')
      if (committed) side.w -= value
    } else if (choice < 6) {
      const { data } = (await side.engine.readState(['w'])).get('w')
      check(
        data.length === length && data.every(value => value === side.w),
        `the state: ${data[0]}, not ${side.w}`,
      )
    } else if (choice < 8) {
      await other.engine.adopt(await side.engine.share(['w']))
      other.w = side.w
      const came = await other.loaded.run(feeds(1), { outputs: ['next'] })
      check(
        came.get('next').data.every(value => value === side.w - 1),
        'a run from an adopted state',
      )
      // Its own next step must not reach into the memory of the other.
      if (next(2) === 0) {
        check((await other.loaded.step(feeds(2), plan)).committed, 'a step from an adopted state')
        other.w -= 2
      } else
        await other.engine.setState(
          new Map([['w', floats([length], new Float32Array(length).fill(other.w))]]),
        )
    } else if (choice === 8) {
      const pending = [1, 2, 3].map(value => side.loaded.step(feeds(value), plan).catch(() => undefined))
      if (next(2) === 0) await pending[0]
      await side.engine.stop()
      await Promise.all(pending)
      sides = [other, await start()]
    } else {
      globalThis.gc?.()
      if (dropped.length < 3) {
        dropped.push(side.loaded.run(feeds(1)).catch(() => undefined))
        sides = [other, await start()]
      }
    }
  }
  await Promise.all(sides.map(({ engine }) => engine.stop()))
  // The dropped ones are left to the end of the process.
}

const [mode, seed, count] = isMainThread ? process.argv.slice(2) : workerData
if (mode === 'runtime') fuzzRuntime(Number(seed), Number(count))
else if (mode === 'sessions') manySessions(Number(count))
else if (mode === 'engines') await fuzzEngines(Number(seed), Number(count))
else if (mode === 'threads') {
  // The binding for Node in the same process, on the same library.
  const { nodeSessions } = await import('../dist/runtime/node-binding.js')
  const { vectors } = programs()
  const settings = { device: 'cpu', threads: 1, profile: undefined, rewrite: false }
  const workers = [1, 2].map(
    part =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), {
          workerData: ['runtime', Number(seed) + 100 * part, count],
        })
        worker.once('error', reject)
        worker.once('message', () => resolve('ended'))
      }),
  )
  let isOver = false
  const all = Promise.all(workers).finally(() => {
    isOver = true
  })
  while (!isOver) {
    const session = await nodeSessions.open(vectors, settings, 0)
    const held = value => ({ spec: {}, host: floats([2], [value, value]) })
    const inputs = new Map([
      ['a', held(5)],
      ['b', held(3)],
    ])
    const sums = await session.run(inputs, [{ spec: vectors.outputs[1] }])
    check(sums.get('sum').host.data[0] === 8, 'a sum by the binding for Node')
    await session.close()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  await all
} else throw new Error(`there is no mode ${mode}`)

if (isMainThread) {
  console.log('done')
  // Whatever is open still.
  process.exit(0)
}
parentPort?.postMessage('done')
