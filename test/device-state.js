import { draws } from '../dist/base/random.js'
import { floats } from '../dist/base/tensor.js'
import { globalAveragePool, relu } from '../dist/graph/index.js'
import { gapFc, importance, mixtureOfExperts } from '../dist/moe/index.js'
import { batchNorm, conv, linear } from '../dist/nn/index.js'
import { Engine } from '../dist/runtime/index.js'
import { resolveConfig, stepFeeds, trainingStep } from '../dist/train/index.js'
import { differenceOf } from '../dist/train/probe-step.js'
import { updatesOf } from '../dist/train/training-programs.js'

/*
 * A process that takes steps of a small mixture on WebGPU, by dispatch to a capacity, and on the processor, by sparse dispatch. Half-way
 * the program is released and loaded again. It sends what the host got of each step, and whether the state was on the device after it.
 */
const [classes, batch, size, count] = [3, 6, 6, 10]

const expert = (scope, x) =>
  relu(
    scope.in('bn', inner =>
      batchNorm(
        inner,
        scope.in('conv', kernel => conv(kernel, x, { outputs: 4, kernel: 3 })),
      ),
    ),
  )

const stepBy = (dispatch, capacityFactor) =>
  trainingStep({
    classifier: (scope, images) => {
      const { output, losses, stats } = scope.in('mixture', inner =>
        mixtureOfExperts(inner, images, {
          experts: [expert, expert, expert],
          k: 2,
          gate: gapFc,
          constraint: importance({ weight: 0.5 }),
          noise: false,
          dispatch,
          capacityFactor,
        }),
      )
      return {
        logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), classes)),
        losses,
        stats,
      }
    },
    ...{ classes, batch, size, labelSmoothing: 0, clipNorm: 1 },
    optimizer: resolveConfig({ optimizer: { name: 'adam' } }, 'test').optimizer,
  })

const values = Float32Array.from({ length: batch * 3 * size ** 2 }, (_, i) => Math.sin(i))
const labels = { dtype: 'int64', shape: [batch], data: BigInt64Array.from([0n, 1n, 2n, 0n, 1n, 2n]) }
const feedsOf = images =>
  new Map([
    ['images', floats([batch, 3, size, size], images)],
    ['labels', labels],
  ])
const good = feedsOf(values)
const bad = feedsOf(values.map((value, i) => (i === 7 ? Number.NaN : value)))

async function prepared(device, step, running) {
  const engine = running ?? (await Engine.start({ device, threads: 1, isTried: true }))
  await engine.setState(step.initialState(1))
  const load = async () => await engine.load(step.program, { updates: updatesOf(step) })
  let loaded = await load()
  const take = async feeds =>
    await loaded.step(stepFeeds(step, feeds, { step: 0, epoch: 0, rate: 0.01 }, 1), step)
  const release = async () => await loaded.release()
  /** The state stays where it is. */
  const reload = async () => {
    await release()
    loaded = await load()
  }
  return { engine, release, reload, take }
}

/** Memory of the host alone can be shared between engines. */
const isOnHost = async (engine, name) =>
  await engine.share([name]).then(
    () => true,
    () => false,
  )

/** Names whose values differ in any bit. */
const changed = (before, after) =>
  [...before.keys()].filter(name => Buffer.compare(bytesOf(before.get(name)), bytesOf(after.get(name))) !== 0)
const bytesOf = ({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)

const step = stepBy('capacity', 1.5)
const there = await prepared('webgpu', step)
const updated = [...step.updates.values()]
const steps = []
const losses = []
for (let i = 0; i < count; i++) {
  if (i === count / 2) await there.reload()
  const { outputs, committed } = await there.take(good)
  const onHost = []
  for (const name of updated) if (await isOnHost(there.engine, name)) onHost.push(name)
  const floatsCopied = [...outputs.values()].reduce((sum, { data }) => sum + data.length, 0)
  losses.push(outputs.get('loss').data[0])
  steps.push({ committed, outputs: [...outputs.keys()], floatsCopied, onHost })
}
const after = await there.engine.readState()
const refused = await there.take(bad)
const afterNaN = await there.engine.readState()
const resumed = await there.take(good)
await there.release()

// One image more than an expert takes.
const narrow = stepBy('capacity', 0.7)
const small = await prepared('webgpu', narrow, there.engine)
const first = await small.engine.readState()
const overflow = await small.take(good)
const afterOverflow = await small.engine.readState()
await small.engine.stop()

/** Losses and last state of ten steps by sparse dispatch on the processor, from first values that are all changed by their last bit. */
async function onCpu(seed) {
  const reference = stepBy('sparse')
  const { engine, take } = await prepared('cpu', reference)
  if (seed !== undefined) {
    const source = draws(seed, 'last bits')
    const state = reference.initialState(1)
    for (const { data } of state.values())
      for (let i = 0; i < data.length; i++) data[i] *= 1 + (source.uniform() < 0.5 ? -1 : 1) * 2 ** -23
    await engine.setState(state)
  }
  const all = []
  for (let i = 0; i < count; i++) all.push((await take(good)).outputs.get('loss').data[0])
  const state = await engine.readState()
  await engine.stop()
  return new Map([['loss', { data: all }], ...state])
}

const wanted = await onCpu()
const difference = differenceOf(new Map([['loss', { data: losses }], ...after]), wanted)
const twins = []
for (let seed = 1; seed <= 8; seed++) twins.push(differenceOf(await onCpu(seed), wanted))

process.send?.({
  steps,
  updates: updated.length,
  stateFloats: updated.reduce((sum, name) => sum + after.get(name).data.length, 0),
  losses,
  difference,
  twins,
  nan: { committed: refused.committed, nonFinite: refused.nonFinite, changed: changed(after, afterNaN) },
  resumed: resumed.committed,
  overflow: {
    committed: overflow.committed,
    nonFinite: overflow.nonFinite,
    counts: [...overflow.outputs.get('mixture.capacity of images').data],
    changed: changed(first, afterOverflow),
  },
})
process.disconnect?.()
