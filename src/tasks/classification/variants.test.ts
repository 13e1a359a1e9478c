import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logitMapOf } from '../../analysis/logit-map.ts'
import { draws } from '../../base/random.ts'
import type { HostTensor } from '../../base/tensor.ts'
import { resolveConfig } from '../../config/config.ts'
import { Graph } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { Engine } from '../../runtime/index.ts'
import { classifierOf } from '../classifier-of.ts'
import { type Mixture, overridesOf, type Variant, variantName, variantsOf } from '../variants.ts'
import { evaluationProgram } from './evaluation-program.ts'

const classes = 10
const size = 8
const images = 12
const layer = { style: 'resblock', experts: 3, k: 2 }
const { model } = resolveConfig(
  {
    model: {
      // Larger first values: untrained experts of the published ones differ too little to tell variants apart.
      initialisation: 'fan-out',
      name: 'resnet18',
      width: 4,
      moe: [
        { ...layer, position: 4, constraint: { name: 'relative' } },
        { ...layer, position: 2, style: 'conv', k: 1, weighting: 'softmax-before-top-k' },
        { position: 1, style: 'block', experts: 1, k: 1 },
      ],
    },
  },
  'test',
)

let engine: Engine
const feeds = new Map<string, HostTensor>()
beforeAll(async () => {
  engine = await Engine.start({ threads: 1 })
  const scope = Scope.root(new Graph(), { training: false })
  classifierOf(model, { classes })(scope, scope.graph.input('images', 'float32', ['N', 3, size, size]))
  await engine.setState(scope.declarations.initialState(7))
  const source = draws(7, 'pixels')
  const data = Float32Array.from({ length: images * 3 * size * size }, () => source.normal())
  feeds.set('images', { dtype: 'float32', shape: [images, 3, size, size], data })
  const labels = BigInt64Array.from({ length: images }, (_, n) => BigInt(n % classes))
  feeds.set('labels', { dtype: 'int64', shape: [images], data: labels })
})
afterAll(() => engine.stop())

describe('the program that routes', () => {
  const mixtures: Mixture[] = model.moe.map(({ position, experts, k, constraint, style }) => ({
    place: position,
    experts,
    k,
    constraint: constraint.name,
    style,
  }))
  const variants: Variant[] = [{ kind: 'trained' }, ...mixtures.flatMap(variantsOf)]
  const program = (chosen: readonly Variant[]) => {
    const [classifier, ...others] = chosen.map(variant =>
      classifierOf(model, { classes, override: overridesOf(variant, mixtures), dispatch: 'stacked' }),
    )
    return evaluationProgram({ classifier: classifier!, size, variants: others })
  }

  it('has every variant: alone, without, K from 1 to E, equal; a single expert cannot be left out', () => {
    expect(variants.map(variantName)).toEqual([
      'as trained',
      ...[0, 1, 2].map(i => `single expert ${i}`),
      ...[0, 1, 2].map(i => `without expert ${i}`),
      ...[1, 2, 3].map(k => `K = ${k}`),
      'equal weights',
      ...variants.slice(11).map(variantName),
    ])
    expect(variantsOf({ place: 4, experts: 1 }).map(({ kind }) => kind)).toEqual(['single', 'k', 'equal'])
    const without: Variant = { kind: 'without', place: 'regression', expert: 1 }
    const heads = [{ place: 'regression' as const, experts: 3, k: 3, constraint: 'none', style: null }]
    expect(overridesOf(without, heads)).toEqual(new Map([['regression', { kind: 'gate', without: 1, k: 2 }]]))
  })

  it('computes for each variant what a program of its own, with sparse dispatch, computes', async () => {
    const routing = program(variants)
    const loaded = await engine.load(routing.program)
    const outputs = await loaded.run(feeds)
    const predictions = outputs.get('predictions')!
    expect(predictions.shape).toEqual([images, variants.length])
    let different = 0
    for (const [v, variant] of variants.entries()) {
      const classifier = classifierOf(model, { classes, override: overridesOf(variant, mixtures) })
      const own = await engine.load(evaluationProgram({ classifier, size }).program)
      const results = await own.run(feeds)
      const logits = Array.from(results.get('logits')!.data, Number)
      const best = Array.from({ length: images }, (_, n) => {
        const row = logits.slice(n * classes, (n + 1) * classes)
        return row.indexOf(Math.max(...row))
      })
      const named = best.map((_, n) => Number(predictions.data[n * variants.length + v]))
      expect(named, variantName(variant)).toEqual(best)
      different += Number(named.some((label, n) => label !== Number(predictions.data[n * variants.length])))
      if (variant.kind !== 'trained') continue
      for (const name of ['loss', 'layer4.weights', 'layer4.logits', 'layer2.1.conv2.weights']) {
        const [a, b] = [outputs.get(name)!.data, results.get(name)!.data]
        expect(a.length, name).toBe(b.length)
        for (let i = 0; i < a.length; i++) expect(Number(a[i]), name).toBeCloseTo(Number(b[i]), 4)
      }
    }
    expect(different, 'variants that differ from the trained network').toBeGreaterThan(3)
  })

  it('has the layers in the order in which images pass them, and counts the parameters', () => {
    const { layers, parameters, activeParameters } = program(variants)
    expect(layers.map(({ name }) => name)).toEqual(['layer1', 'layer2.1.conv2', 'layer4'])
    expect(activeParameters).toBeLessThan(parameters)
  })

  it('shares among variants what they have in common', () => {
    const nodes = (count: number): number => {
      const { program: shared } = program(variants.slice(0, count))
      return shared.graph!.nodes.filter(({ op }) => op === 'Conv').length
    }
    // The layer at 4 is the last with a convolution: its ten variants add none, dense dispatch has all experts already.
    expect(nodes(11)).toBe(nodes(1))
    expect(nodes(12)).toBeGreaterThan(nodes(11))
  })
})

describe('the map of logits', () => {
  const source = draws(2, 'logits')
  const experts = 4
  const logits = Float32Array.from({ length: 200 * experts }, (_, at) => {
    const n = Math.floor(at / experts)
    return (n % experts === at % experts ? 6 : 0) + source.normal()
  })
  const labels = Int32Array.from({ length: 200 }, (_, n) => n % 3)
  const layer = { experts, logits, weights: logits.map(logit => Number(logit > 3)) }
  const options = { seed: 1, most: 120, neighbours: 8 }

  it('places images whose logits are alike side by side, the same each time', async () => {
    const map = (await logitMapOf(layer, labels, options))!
    expect(map.images.length).toBe(120)
    expect(await logitMapOf(layer, labels, options)).toEqual(map)
    expect(map.labels).toEqual(map.images.map(n => n % 3))
    expect(map.top.filter((expert, i) => expert === map.images[i]! % experts).length).toBeGreaterThan(110)
    let near = 0
    for (const [i, image] of map.images.entries()) {
      const distances = map.images.map((_, j) =>
        i === j ? Number.POSITIVE_INFINITY : Math.hypot(map.x[i]! - map.x[j]!, map.y[i]! - map.y[j]!),
      )
      const nearest = map.images[distances.indexOf(Math.min(...distances))]!
      near += Number(nearest % experts === image % experts)
    }
    expect(near).toBeGreaterThan(110)
  })

  it('is left out where there are too few images, or the gate tells none apart', async () => {
    expect(await logitMapOf({ ...layer, logits: logits.slice(0, 12 * experts) }, labels, options)).toBeNull()
    expect(
      await logitMapOf({ ...layer, logits: new Float32Array(200 * experts) }, labels, options),
    ).toBeNull()
  })
})
