import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { detectionGolden, expectValues } from '../../../test/detection-golden.ts'
import { expectDifferentiable, expectEngineAgrees, type OracleCase } from '../../../test/oracle.ts'
import { floats } from '../../base/tensor.ts'
import {
  add,
  Graph,
  gradients,
  interpret,
  lower,
  mul,
  type NdArray,
  sigmoid,
  type Tensor,
} from '../../graph/index.ts'
import { Engine } from '../../runtime/index.ts'
import { type ClassScores, detectionLosses, focalLoss, smoothL1Loss } from './losses.ts'

const nd = (shape: readonly number[], data: ArrayLike<number>): NdArray => ({
  shape,
  data: Float64Array.from(data),
})

/** A loss of float inputs and targets [N, A], with its gradients. */
function differentiated(
  inputs: Readonly<Record<string, NdArray>>,
  targets: readonly (readonly number[])[],
  loss: (inputs: Readonly<Record<string, Tensor>>, targets: Tensor) => Tensor,
): { readonly value: number; readonly gradients: readonly Float64Array[] } {
  const graph = new Graph()
  const shape = [targets.length, targets[0]!.length]
  const tensors = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape: own }]) => [name, graph.input(name, 'float32', own)]),
  )
  const value = loss(tensors, graph.input('targets', 'int64', shape))
  const feeds = new Map([...Object.entries(inputs), ['targets', nd(shape, targets.flat())] as const])
  const [first, ...rest] = interpret([value, ...gradients(value, Object.values(tensors))], feeds)
  return { value: first!.data[0]!, gradients: rest.map(({ data }) => data) }
}

const logits = (value: Tensor): ClassScores => ({ kind: 'logits', value })
const probabilities = (value: Tensor): ClassScores => ({ kind: 'probabilities', value })
const golden = detectionGolden.losses
const shape = [3, 7, golden.classes]

describe('the focal loss', () => {
  it('of logits is the one that torch gives, with its gradient', () => {
    const got = differentiated({ z: nd(shape, golden.logits) }, golden.targets, ({ z }, targets) =>
      focalLoss(logits(z!), targets),
    )
    expect(got.value).toBeCloseTo(golden.fromLogits.value, 9)
    expectValues(got.gradients[0]!, golden.fromLogits.gradient, 1e-9, 'gradient')
  })

  it('of a mixture of probabilities is the one that torch gives, with its gradients', () => {
    const inputs = { z: nd(shape, golden.logits), other: nd(shape, golden.other), w: nd([], [golden.weight]) }
    const got = differentiated(inputs, golden.targets, ({ z, other, w }, targets) => {
      const mixture = add(mul(sigmoid(z!), w!), mul(sigmoid(other!), add(mul(w!, -1), 1)))
      return focalLoss(probabilities(mixture), targets)
    })
    expect(got.value).toBeCloseTo(golden.fromMixture.value, 9)
    for (const [i, gradient] of golden.fromMixture.gradients.entries())
      expectValues(got.gradients[i]!, gradient, 1e-9, `gradient ${i}`)
  })

  it('of probabilities is that of their logits, in value and gradient', () => {
    const inputs = { z: nd(shape, golden.logits) }
    const [direct, round] = [logits, (z: Tensor) => probabilities(sigmoid(z))].map(scores =>
      differentiated(inputs, golden.targets, ({ z }, targets) => focalLoss(scores(z!), targets)),
    )
    expect(round!.value).toBeCloseTo(direct!.value, 12)
    expectValues(round!.gradients[0]!, direct!.gradients[0]!, 1e-12, 'gradient')
  })

  it('by hand: at p = ½, −α_t·¼·ln ½ for each', () => {
    const quarter = 0.25 * Math.LN2
    const at = (targets: readonly (readonly number[])[]): number =>
      differentiated(
        { z: nd([targets.length, 2, 3], new Float64Array(targets.length * 6)) },
        targets,
        ({ z }, t) => focalLoss(logits(z!), t),
      ).value
    // One positive of 3 categories, one background: 0.25 + 5 · 0.75.
    expect(at([[1, 3]])).toBeCloseTo(quarter * (0.25 + 5 * 0.75), 12)
    // Two positives halve the sum.
    expect(at([[1, 0]])).toBeCloseTo((quarter * (2 * 0.25 + 4 * 0.75)) / 2, 12)
    expect(at([[1, -1]])).toBeCloseTo(quarter * (0.25 + 2 * 0.75), 12)
    expect(at([[-1, -1]])).toBe(0)
  })

  it('counts an image without objects with all its background, and means over all images', () => {
    const value = (targets: readonly (readonly number[])[]): number =>
      differentiated(
        { z: nd([targets.length, 2, 3], new Float64Array(targets.length * 6).fill(-1)) },
        targets,
        ({ z }, t) => focalLoss(logits(z!), t),
      ).value
    const [empty, full] = [value([[3, 3]]), value([[1, 3]])]
    expect(empty).toBeGreaterThan(0)
    expect(
      value([
        [3, 3],
        [1, 3],
      ]),
    ).toBeCloseTo((empty + full) / 2, 12)
    expect(
      value([
        [1, 3],
        [3, 3],
      ]),
    ).toBeCloseTo((empty + full) / 2, 12)
  })

  it('has no gradient at anchors that do not count', () => {
    const got = differentiated({ z: nd([1, 3, 2], [1, -2, 3, 1, 0, 2]) }, [[0, -1, 2]], ({ z }, t) =>
      focalLoss(logits(z!), t),
    )
    expect([...got.gradients[0]!].map(value => value === 0)).toEqual([false, false, true, true, false, false])
  })

  it('with clamped probabilities is the one that torch gives, with no gradient where they are cut off', () => {
    const { targets, logits: values, clampedFocal } = detectionGolden.original
    const clamped = (scores: (z: Tensor) => ClassScores) =>
      differentiated({ z: nd([1, 6, 2], values) }, targets, ({ z }, t) =>
        focalLoss(scores(z!), t, { clamp: 1e-4 }),
      )
    for (const got of [clamped(logits), clamped(z => probabilities(sigmoid(z)))]) {
      expect(got.value).toBeCloseTo(clampedFocal.value, 9)
      expectValues(got.gradients[0]!, clampedFocal.gradient, 1e-9, 'gradient')
      for (const [i, z] of values.entries())
        if (Math.abs(z) > Math.log(1e4)) expect(got.gradients[0]![i], `logit ${z}`).toBe(0)
    }
    const free = differentiated({ z: nd([1, 6, 2], values) }, targets, ({ z }, t) => focalLoss(logits(z!), t))
    // Unclamped the missed object, one of three positive anchors, has nearly −α/3.
    expect(free.gradients[0]![0]).toBeCloseTo(-0.25 / 3, 3)
  })

  it('by hand: a missed object costs α·(1 − 10⁻⁴)²·ln 10⁴ at most, a background taken for one 3 times that', () => {
    const most = (1 - 1e-4) ** 2 * Math.log(1e4)
    const at = (p: number, target: number): number =>
      differentiated({ p: nd([1, 1, 1], [p]) }, [[target]], ({ p: given }, t) =>
        focalLoss(probabilities(given!), t, { clamp: 1e-4 }),
      ).value
    expect(at(0, 0)).toBeCloseTo(0.25 * most, 12)
    expect(at(1, 1)).toBeCloseTo(0.75 * most, 12)
    expect(at(1e-5, 0)).toBe(at(0, 0))
    expect(at(1e-3, 0)).toBeCloseTo(0.25 * (1 - 1e-3) ** 2 * Math.log(1e3), 12)
  })

  it('with a clamp that float32 cannot tell from 0 is cut off where it is without one', () => {
    const at = (clamp: number | null) =>
      differentiated({ p: nd([1, 2, 1], [0, 1]) }, [[0, 1]], ({ p }, t) =>
        focalLoss(probabilities(p!), t, { clamp }),
      ).value
    for (const clamp of [1e-9, 1e-15, 1e-300])
      expect(at(clamp) / at(null)).toBeCloseTo(1, clamp === 1e-9 ? 0 : 12)
    expect(at(1e-9)).toBeLessThan(at(null))
  })

  it('is finite far out, of logits and of probabilities 0 and 1', () => {
    const targets = [[0, 2, 0, 2]]
    const far = differentiated(
      { z: nd([1, 4, 2], [-90, 90, 90, 90, 90, -90, -90, -90]) },
      targets,
      ({ z }, t) => focalLoss(logits(z!), t),
    )
    const certain = differentiated({ p: nd([1, 4, 2], [0, 1, 1, 1, 1, 0, 0, 0]) }, targets, ({ p }, t) =>
      focalLoss(probabilities(p!), t),
    )
    for (const { value, gradients: slopes } of [far, certain])
      expect([value, ...slopes[0]!].every(Number.isFinite)).toBe(true)
    expect(far.value).toBeCloseTo((0.25 * 90 + 3 * 0.75 * 90) / 2, 9)
  })
})

describe('smooth L1', () => {
  it('is the one that torch gives, with its gradient', () => {
    const got = differentiated(
      { codes: nd([3, 7, 4], golden.codes) },
      golden.targets,
      ({ codes }, classes) => {
        const boxes = classes.graph.constant('float32', [3, 7, 4], golden.boxTargets)
        return smoothL1Loss(codes!, { classes, boxes }, golden.classes)
      },
    )
    expect(got.value).toBeCloseTo(golden.smoothL1.value, 9)
    expectValues(got.gradients[0]!, golden.smoothL1.gradient, 1e-9, 'gradient')
  })

  it('by hand: a parabola up to 1/9 and a line from there, at positive anchors only', () => {
    const codes = nd([2, 2, 4], [1, -1, 1 / 18, 0, ...[5, 5, 5, 5], ...[5, 5, 5, 5], ...[5, 5, 5, 5]])
    const got = differentiated(
      { codes },
      [
        [0, -1],
        [1, 1],
      ],
      ({ codes: given }, classes) => smoothL1Loss(given!, { classes, boxes: mul(given!, 0) }, 1),
    )
    expect(got.value).toBeCloseTo((2 * (1 - 1 / 18) + 4.5 / 18 ** 2) / 2, 12)
  })

  it('of a batch without objects is 0, and so is its gradient', () => {
    const got = differentiated(
      { codes: nd([1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]) },
      [[1, 1]],
      ({ codes }, classes) => smoothL1Loss(codes!, { classes, boxes: mul(codes!, 0) }, 1),
    )
    expect([got.value, ...got.gradients[0]!]).toEqual(new Array(9).fill(0))
  })
})

describe('both losses on the engine', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  const item = (
    kind: ClassScores['kind'],
    targets: readonly number[],
    clamp: number | null = null,
  ): OracleCase => ({
    inputs: {
      scores: { shape: [2, 4, 3], range: kind === 'logits' ? [-4, 4] : [0.01, 0.99] },
      codes: { shape: [2, 4, 4] },
      boxes: { shape: [2, 4, 4] },
      classes: { shape: [2, 4], dtype: 'int64', values: targets },
    },
    build: ({ scores, codes, boxes, classes }) => {
      const both = detectionLosses(
        { kind, value: scores! },
        codes!,
        { classes: classes!, boxes: boxes! },
        { clamp },
      )
      return [both.classification, both.regression]
    },
    wrt: ['scores', 'codes'],
  })
  const batches = {
    'objects in both images': [0, 3, -1, 2, 3, 1, 1, -1],
    'objects in one image': [0, 3, -1, 2, 3, 3, 3, -1],
    'no object': [3, 3, -1, 3, 3, 3, 3, 3],
  }
  it.each(
    Object.entries(batches).flatMap(([name, targets]) =>
      (['logits', 'probabilities'] as const).map(kind => [name, kind, targets] as const),
    ),
  )('%s, of %s', async (_name, kind, targets) => {
    expectDifferentiable(item(kind, targets))
    await expectEngineAgrees(engine, item(kind, targets))
  })

  it('with probabilities clamped at 0.1, of logits and of probabilities', async () => {
    for (const kind of ['logits', 'probabilities'] as const) {
      expectDifferentiable(item(kind, batches['objects in both images'], 0.1))
      await expectEngineAgrees(engine, item(kind, batches['objects in both images'], 0.1))
    }
  })

  it('have a gradient wherever float32 has one: an object surely missed, a background surely taken', async () => {
    const graph = new Graph()
    const z = graph.input('z', 'float32', [1, 2, 1])
    const loss = focalLoss(probabilities(sigmoid(z)), graph.constant('int64', [1, 2], [0, 1]))
    const program = await engine.load(lower(new Map([['gradient', gradients(loss, [z])[0]!]])))
    const feeds = new Map([['z', floats([1, 2, 1], [-16, 16])]])
    const { data } = (await program.run(feeds)).get('gradient')!
    expect(Number(data[0])).toBeLessThan(-0.1)
    expect(Number(data[1])).toBeGreaterThan(0.1)
  })
})
