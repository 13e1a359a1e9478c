import { beforeAll, describe, expect, it } from 'vitest'
import type { StepDifference } from '../src/train/probe-step.ts'
import { icd, onSwiftShader, titled } from './swiftshader.ts'

/** What `device-state.js` sends. */
interface Sent {
  readonly steps: readonly {
    readonly committed: boolean
    readonly outputs: readonly string[]
    readonly floatsCopied: number
    readonly onHost: readonly string[]
  }[]
  readonly updates: number
  readonly stateFloats: number
  readonly losses: readonly number[]
  readonly difference: StepDifference
  /** Of trainings on the processor whose first values differ in the last bit. */
  readonly twins: readonly StepDifference[]
  readonly nan: Refused
  readonly resumed: boolean
  readonly overflow: Refused & { readonly counts: readonly number[] }
}

interface Refused {
  readonly committed: boolean
  readonly nonFinite: readonly string[]
  /** Tensors of the state that differ in any bit after it. */
  readonly changed: readonly string[]
}

describe.skipIf(icd === undefined)(titled('the state of a training on WebGPU by SwiftShader'), () => {
  let sent: Sent
  beforeAll(async () => {
    sent = (await onSwiftShader<Sent>('device-state.js')).sent[0]!
  })

  it('stays on the device between steps, also while its program is released and loaded again; the host gets metrics alone', () => {
    expect(sent.updates).toBeGreaterThan(20)
    for (const { committed, onHost, outputs, floatsCopied } of sent.steps) {
      expect(committed).toBe(true)
      expect(onHost).toEqual([])
      expect(outputs).toEqual(expect.arrayContaining(['loss', 'gradientNorm', 'mixture.activation']))
      expect(outputs.filter(name => /next|running|weight$|bias$/.test(name))).toEqual([])
      expect(floatsCopied).toBeLessThan(30)
      expect(sent.stateFloats).toBeGreaterThan(1000)
    }
    expect(new Set(sent.losses).size).toBe(10)
  })

  it('is, by dispatch to a capacity, after ten steps as far from that of sparse dispatch on the processor as rounding takes it', () => {
    const { difference, twins } = sent
    const furthest = (of: 'loss' | 'state') => Math.max(...twins.map(twin => twin[of]))
    // What one bit of every first value makes of ten steps of Adam, and that this is rounding itself.
    expect(furthest('state')).toBeGreaterThan(1e-7)
    expect(furthest('state')).toBeLessThan(1e-2)
    // A step rounds in many places, but a twin only before the first one.
    expect(difference.loss).toBeLessThan(10 * furthest('loss'))
    expect(difference.state, difference.tensor).toBeLessThan(10 * furthest('state'))
  })

  it('keeps its bits where a step gives what is not a number, and the next step counts', () => {
    expect(sent.nan).toEqual({
      committed: false,
      nonFinite: expect.arrayContaining(['statistics']),
      changed: [],
    })
    expect(sent.resumed).toBe(true)
  })

  it('keeps its bits where more images choose an expert than it takes', () => {
    const { counts, ...refused } = sent.overflow
    expect(refused).toEqual({ committed: false, nonFinite: ['limits'], changed: [] })
    // ⌈0.7 · 2 · 6 / 3⌉ = 3
    expect(Math.max(...counts)).toBeGreaterThan(3)
  })
})
