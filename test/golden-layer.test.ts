import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HostTensor } from '../src/base/tensor.ts'
import { decodeSafetensors } from '../src/files/safetensors.ts'
import { add, Graph, gradients, lower, mul, sum, type Tensor } from '../src/graph/index.ts'
import {
  type Constraint,
  convGapFc,
  gapFc,
  importance,
  kl,
  mixtureOfExperts,
  none,
} from '../src/moe/index.ts'
import { basicBlock, type Layer, Scope } from '../src/nn/index.ts'
import { Engine } from '../src/runtime/index.ts'
import { expectClose, goldenFolder, numbers, tensorsUnder } from './golden.ts'

/**
 * One mixture of four narrow experts on x [9, 6, 10, 10], forward and backward, in training and evaluation, against an
 * independent float64 implementation. The objective is Σ y·r + aux, the auxiliary loss already
 * times its weight.
 */
const constraints: Record<string, (weight: number) => Constraint> = {
  importance: weight => importance({ weight }),
  kl: weight => kl({ weight }),
  none: () => none(),
}

/** Two basic blocks, as wide as the file's parameters say: BasicBlock(6 → 4, stride 2), BasicBlock(4 → 10). */
function expertOf(tensors: ReadonlyMap<string, HostTensor>): Layer {
  const outputsOf = (block: number): number => tensors.get(`param/experts.0.${block}.conv1.weight`)!.shape[0]!
  const stride = Math.round(tensors.get('x')!.shape[2]! / tensors.get('y')!.shape[2]!)
  return (scope, x) => {
    const narrow = scope.in('0', inner => basicBlock(inner, x, { width: 0, outputs: outputsOf(0), stride }))
    return scope.in('1', inner => basicBlock(inner, narrow, { width: 0, outputs: outputsOf(1), stride: 1 }))
  }
}

const files = readdirSync(goldenFolder).filter(
  name => name.startsWith('layer-') && name.endsWith('.safetensors'),
)

describe.each(['sparse', 'dense'] as const)('one mixture of experts, %s dispatch', dispatch => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it('has layers to compare with', () => {
    expect(files.length).toBeGreaterThanOrEqual(6)
  })

  it.each(files)('%s agrees with the independent implementation', async file => {
    const { tensors, metadata } = decodeSafetensors(readFileSync(join(goldenFolder, file)), file)
    const parameters = tensorsUnder(tensors, 'param/')
    const gateWidth = parameters.get('gate.conv.weight')?.shape[0] ?? 0
    const coefficient = Number(metadata.coefficient)
    const build = (training: boolean) => {
      const graph = new Graph()
      const scope = Scope.root(graph, { training })
      const x = graph.input('x', 'float32', tensors.get('x')!.shape)
      const result = mixtureOfExperts(scope, x, {
        experts: new Array<Layer>(tensors.get('param/gate.fc.bias')!.shape[0]!).fill(expertOf(tensors)),
        gate: metadata.gate === 'conv-gap-fc' ? convGapFc(gateWidth) : gapFc,
        k: Number(metadata.k),
        constraint: constraints[metadata.constraint!]!(coefficient),
        noise: false,
        dispatch,
      })
      return { graph, scope, x, result }
    }

    const { graph, scope, x, result } = build(true)
    const r = graph.input('r', 'float32', tensors.get('r')!.shape)
    const aux = result.losses[0] ?? graph.scalar(0)
    const wanted = tensorsUnder(tensors, 'grad/')
    const names = [...wanted.keys()].filter(name => name !== 'x')
    const targets = names.map(name => graph.input(name, 'float32', parameters.get(name)!.shape))
    const computed = gradients(add(sum(mul(result.output, r)), aux), [x, ...targets])
    const outputs = new Map<string, Tensor>([
      ['y', result.output],
      ['aux', aux],
      ['weights', result.stats[0]!.routing.weights],
      ...['x', ...names].map((name, i) => [`grad/${name}`, computed[i]!] as const),
      ...[...scope.declarations.updates].map(([name, value]) => [`after/${name}`, value] as const),
    ])
    const feeds = new Map([...parameters, ['x', tensors.get('x')!], ['r', tensors.get('r')!]] as const)
    const program = await engine.load(lower(outputs))
    const trained = await program.run(feeds)
    const check = (results: typeof trained, output: string, name: string, tolerance = 1e-5): void => {
      expectClose(results.get(output)!, numbers(tensors.get(name)!), tolerance, name)
    }
    check(trained, 'y', 'y')
    check(trained, 'weights', 'weights')
    check(trained, 'aux', 'aux')
    expect(wanted.size).toBeGreaterThan(4)
    for (const name of wanted.keys()) check(trained, `grad/${name}`, `grad/${name}`)
    for (const name of tensorsUnder(tensors, 'after/').keys())
      check(trained, `after/${name}`, `after/${name}`)
    await program.release()

    const evaluation = build(false)
    const evaluated = await engine.load(
      lower(
        new Map([
          ['y', evaluation.result.output],
          ['weights', evaluation.result.stats[0]!.routing.weights],
        ]),
      ),
    )
    const state = new Map([
      ...parameters,
      ...tensorsUnder(tensors, 'after/'),
      ['x', tensors.get('x')!] as const,
    ])
    const fed = new Map([...state].filter(([name]) => evaluation.graph.inputs.has(name)))
    const result2 = await evaluated.run(fed)
    check(result2, 'y', 'eval/y')
    check(result2, 'weights', 'eval/weights')
    await evaluated.release()
  })
})
