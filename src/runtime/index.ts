/**
 * The engine: programs and the state of a training, in a separate thread. The only module that uses ONNX Runtime.
 *
 * @module
 */
export { availableDevices, type DeviceReport, type DeviceSurvey } from './devices.ts'
export { Engine, type EngineOptions, type Feeds, LoadedProgram, type TransferOptions } from './engine.ts'
export { engineVersion } from './onnxruntime.ts'
export { type Placement, placementOf, placementText, readTraces, type TraceEvent } from './placement.ts'
export { type ApiInUse, type Device, devices, type OrtApi, type StepResult } from './protocol.ts'
