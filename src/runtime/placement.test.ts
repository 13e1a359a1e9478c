import { expect, it } from 'vitest'
import type { OnnxModel, OnnxNode } from '../graph/onnx.ts'
import { placementOf, placementText, type TraceEvent } from './placement.ts'

const node = (op: string, inputs: string[], output: string): OnnxNode => ({
  op,
  name: output,
  inputs,
  outputs: [output],
  attributes: {},
})

/** Extents, labels and the positions of a mask are the host's; a logarithm and what is made of it are the device's. */
const model: OnnxModel = {
  name: 'test',
  nodes: [
    node('Shape', ['x'], 'shape'),
    node('Gather', ['shape', 'axis'], 'extent'),
    node('Log', ['x'], 'log'),
    node('Greater', ['log', 'x'], 'mask'),
    node('NonZero', ['mask'], 'positions'),
    node('Squeeze', ['positions', 'axis'], 'rows'),
    node('Unique', ['log'], 'unique'),
    node('Reshape', ['labels', 'extent'], 'wide'),
  ],
  initializers: [{ name: 'axis', dtype: 'int64', shape: [1], bytes: new Uint8Array(8) }],
  inputs: [
    { name: 'x', dtype: 'float32', shape: ['N'] },
    { name: 'labels', dtype: 'int64', shape: ['N'] },
  ],
  outputs: [],
}

const ran = (name: string, op: string, provider: string, type = 'float'): TraceEvent => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  ts: 0,
  dur: 1,
  args: { op_name: op, provider, input_type_shape: [{ [type]: [2] }], output_type_shape: [{ [type]: [2] }] },
})
const cpu = 'CPUExecutionProvider'
const gpu = 'CUDAExecutionProvider'

it('counts what the processor computes of what the device has computed, each node once', () => {
  const trace = [
    ran('extent', 'Gather', cpu, 'int64'),
    ran('log', 'Log', gpu),
    ran('mask', 'Greater', gpu),
    ran('positions', 'NonZero', cpu),
    ran('rows', 'Squeeze', cpu, 'int64'),
    ran('unique', 'Unique', cpu),
    ran('unique', 'Unique', cpu),
    ran('wide', 'Reshape', cpu, 'int64'),
    // Added by the engine: of a shape, and a fusion.
    ran('Gather_token_1', 'Gather', cpu, 'int64'),
    ran('fused', 'FusedGemm', cpu),
  ]
  const placement = placementOf(
    { model: new Uint8Array(), graph: model, inputs: [], outputs: [] },
    'cuda',
    trace,
  )
  expect(placement).toEqual({
    fallbacks: [
      { op: 'Unique', count: 1 },
      { op: 'FusedGemm', count: 1 },
    ],
    extents: 1,
  })
  expect(placementText(placement)).toBe(
    '2 CPU fallbacks (Unique 1, FusedGemm 1); the host waits for 1 extents (sparse dispatch)',
  )
  expect(placementText({ fallbacks: [], extents: 0 })).toBe('no CPU fallbacks')
})
