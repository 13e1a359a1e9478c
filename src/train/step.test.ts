import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { blockSize } from '../runtime/block-size.ts'
import { withBlockedLayout } from '../runtime/blocked-layout.ts'
import { blockedDomain } from '../runtime/blocking.ts'
import { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { classifierStepOptions } from './classification-step.ts'
import { type TrainingStep, writeStep } from './step.ts'

const classes = 4

/** The step of a ResNet-18 whose last stage is a mixture, with Adam. */
function stepOf(width: number, experts: number, batch: number, size: number): TrainingStep {
  const { model, optimizer } = resolveConfig(
    {
      model: {
        name: 'resnet18',
        width,
        moe: [{ position: 4, style: 'resblock', experts, constraint: { name: 'kl' } }],
      },
      optimizer: { name: 'adam' },
    },
    'test',
  )
  const classifier = classifierOf(model, { classes })
  return writeStep(
    classifierStepOptions({
      classifier,
      classes,
      batch,
      size,
      optimizer,
      labelSmoothing: 0.1,
      clipNorm: null,
    }),
  )
}

describe('the program of a training step', () => {
  const { program, model, initialState } = stepOf(4, 3, 8, 32)
  const { nodes } = program.graph!
  const maker = new Map(nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))

  /** The nodes that a value is made from. */
  function madeFrom(value: string): Set<(typeof nodes)[number]> {
    const found = new Set<(typeof nodes)[number]>()
    const open = [value]
    while (open.length > 0) {
      const node = maker.get(open.pop()!)
      if (node === undefined || found.has(node)) continue
      found.add(node)
      open.push(...node.inputs)
    }
    return found
  }

  it('makes no new kernel before all gradients are there', () => {
    const squares = nodes.filter(
      ({ op, name }) => op === 'ReduceSumSquare' && name.startsWith('gradient norm'),
    )
    const kernels = [...initialState(1)].filter(
      ([name, { shape }]) => model.includes(name) && shape.length === 4,
    )
    expect(kernels.length).toBeGreaterThan(20)
    expect(squares.length).toBeGreaterThan(kernels.length)
    for (const [name] of kernels) {
      const before = madeFrom(`next ${name}`)
      for (const square of squares) expect(before.has(square), `${name}, ${square.name}`).toBe(true)
    }
  })
})

describe.each([
  { size: 16, winograd: 0, ofGradients: 2e-4 },
  // Three convolutions of 96 channels at 8×8, and three of each expert at 4×4.
  // An input of a relu that turns by rounding changes gradients by about 10⁻² (METHOD.md §10); a wrong gradient would differ by 1.
  { size: 32, winograd: 3 + 4 * 3, ofGradients: 0.1 },
])('a whole step on blocks, of images of $size pixels', ({ size, winograd, ofGradients }) => {
  const batch = 16
  // Narrow experts are 68 channels wide: their blocks are not full.
  const step = stepOf(24, 4, batch, size)

  function random(shape: readonly number[], purpose: string): HostTensor {
    const source = draws(5, purpose)
    const data = Float32Array.from({ length: sizeOf(shape) }, () => source.normal())
    return floats(shape, data)
  }

  /** The metrics and the state after a step, from the first state with one expert that gets no image. */
  async function taken(rewrite: boolean): Promise<Map<string, HostTensor>> {
    const engine = await Engine.start({ rewrite, threads: 2 })
    try {
      const state = step.initialState(3)
      state.get('layer4.gate.fc.bias')!.data[3] = -1e4
      await engine.setState(state)
      const loaded = await engine.load(step.program)
      const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes))
      const feeds = new Map<string, HostTensor>([
        ['images', random([batch, 3, size, size], 'images')],
        ['labels', { dtype: 'int64', shape: [batch], data: labels }],
        ['learningRate', scalar(1e-3)],
        ...step.noise.map(({ name, shape }) => [name, random(shape, name)] as const),
      ])
      const { outputs, committed } = await loaded.step(feeds, { updates: step.updates, guards: step.guards })
      expect(committed).toBe(true)
      return new Map([...outputs, ...(await engine.readState())])
    } finally {
      await engine.stop()
    }
  }

  it('gives what one of plain ops gives: losses, routing, gradients and statistics, with an expert without images', async () => {
    // Otherwise both would be plain, and agree.
    const block = await blockSize()
    if (process.arch === 'x64') {
      const rewritten = withBlockedLayout(step.program.graph!, block!).nodes
      const onBlocks = rewritten.filter(({ domain, op }) => domain === blockedDomain && op === 'Conv')
      expect(onBlocks.filter(({ name }) => name.includes('layer4.experts.')).length).toBeGreaterThan(50)
      expect(onBlocks.filter(({ name }) => name.includes('layer1.')).length).toBeGreaterThan(10)
      const ofPoints = rewritten.filter(
        ({ op, inputs, attributes }) =>
          op === 'FusedMatMul' && attributes.transB === 1 && !inputs[0]!.includes('Winograd'),
      )
      expect(ofPoints).toHaveLength(winograd)
    }
    const [blocked, plain] = [await taken(true), await taken(false)]
    expect([...blocked.keys()]).toEqual([...plain.keys()])
    expect(Number(plain.get('layer4.activation')!.data[3])).toBe(0)
    expect(blocked.get('layer4.activation')).toEqual(plain.get('layer4.activation'))
    let kernels = 0
    for (const [name, { data }] of plain) {
      // A step of Adam from zero moments has the size of the rate whatever the gradient, so a sign that rounding decides would
      // count; the first moments are the gradients, times 1 − β₁.
      if (step.model.includes(name) && !/running|counters/.test(name)) continue
      const got = blocked.get(name)!.data
      let [largest, difference] = [1e-6, 0]
      for (const [i, wanted] of data.entries()) {
        largest = Math.max(largest, Math.abs(Number(wanted)))
        difference = Math.max(difference, Math.abs(Number(got[i]) - Number(wanted)))
      }
      const isGradient = name.startsWith('optimizer.') || name === 'gradientNorm'
      expect(difference / largest, name).toBeLessThan(isGradient ? ofGradients : tolerance)
      if (/^optimizer\.m\..*conv\d\.weight$/.test(name) && largest > 1e-6) kernels++
    }
    expect(kernels).toBeGreaterThan(20)
  })
})

/** Of the largest value of a tensor; it came to 3e-5. */
const tolerance = 2e-4
