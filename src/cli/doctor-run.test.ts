import { expect, it } from 'vitest'
import type { TrainingReport } from '../train/device-probe.ts'
import { callsText, deviceFinding } from './doctor-run.ts'

const trains = (device: TrainingReport['device']): TrainingReport => ({
  device,
  calls: { api: 'c', version: '1.30.0' },
  outcome: 'trains',
  difference: { loss: 1e-7, state: 1.3e-6, tensor: 'fc.weight' },
  seconds: 1.25,
})
const fails = (device: TrainingReport['device'], reason: string): TrainingReport => ({
  device,
  calls: { api: 'c', version: '1.30.0' },
  outcome: 'fails',
  reason,
})

it('a device that trains is reported with how close it comes to the CPU, the CPU with how close to float64', () => {
  expect(deviceFinding({ plain: trains('webgpu'), pooling: trains('webgpu') })).toEqual({
    what: 'webgpu',
    state: 'fine',
    value: 'trains: a step is within 1e-6 of the CPU, 1250 ms',
  })
  expect(deviceFinding({ plain: trains('cpu'), pooling: trains('cpu') }).value).toContain('of float64')
})

it('a device that computes but does not train is no device that works', () => {
  const plain = fails('webgpu', 'BatchNormalization trainingMode is not supported yet')
  expect(deviceFinding({ plain, pooling: undefined })).toEqual({
    what: 'webgpu',
    state: 'note',
    value: 'computes, but does not train: BatchNormalization trainingMode is not supported yet',
    help: 'use --device cpu for training',
  })
  expect(deviceFinding({ plain: fails('cpu', 'wrong numbers'), pooling: undefined })).toMatchObject({
    state: 'wrong',
  })
})

it('a device that trains some networks is reported with those that it does not', () => {
  const pooling = fails('webgpu', 'MaxPool: no indices')
  expect(deviceFinding({ plain: trains('webgpu'), pooling })).toMatchObject({
    state: 'note',
    value:
      'trains: a step is within 1e-6 of the CPU, 1250 ms, but not with model.stem=imagenet: MaxPool: no indices',
  })
})

it('a device that is not there says why and what to do', () => {
  const plain: TrainingReport = {
    device: 'cuda',
    calls: { api: 'c', version: '1.30.0' },
    outcome: 'absent',
    reason: 'no\u202e libraries',
    help: 'install them',
  }
  expect(deviceFinding({ plain, pooling: undefined })).toEqual({
    what: 'cuda',
    state: 'note',
    value: 'not here: no\\u202e libraries',
    help: 'install them',
  })
})

it('how ONNX Runtime is called is said, and why not by its C API', () => {
  expect(callsText({ api: 'c', version: '1.30.0' })).toBe('ONNX Runtime 1.30.0, called by its C API')
  expect(callsText({ api: 'node', version: '1.30.0', reason: 'koffi is not installed' })).toBe(
    'ONNX Runtime 1.30.0, called by its binding for Node, not its C API: koffi is not installed',
  )
})
