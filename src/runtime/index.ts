export { availableDevices, type DeviceReport, type DeviceSurvey } from './devices.ts'
export { Engine, type EngineOptions, type FeedOptions, LoadedProgram } from './engine.ts'
export type { Device, StepResult } from './protocol.ts'
export { engineVersion } from './version.ts'
