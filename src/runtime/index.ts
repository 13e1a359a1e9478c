export { Engine, type EngineOptions, type FeedOptions, LoadedProgram } from './engine.ts'
export type { Device, StepResult } from './protocol.ts'
