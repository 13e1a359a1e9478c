import type { Program } from 'moiety/graph'
import type { HostTensor, State } from 'moiety/step'

/** Values by the names of a program's inputs or outputs. */
export type Values = ReadonlyMap<string, HostTensor>

/** A program that an engine has prepared. Inputs that are not fed are taken from the engine's state. */
export interface LoadedProgram {
  run(feeds: Values): Promise<Values>
  /** Outputs of `updates` become the state unless one of `guards` is not finite; the others are returned. */
  step(
    feeds: Values,
    options: { readonly updates: ReadonlyMap<string, string>; readonly guards: readonly string[] },
  ): Promise<{ readonly outputs: Values; readonly committed: boolean }>
}

/** What runs programs and keeps the state of a training: onnxruntime-web in the page, the `Engine` of `moiety/runtime` in Node. */
export interface TrainingEngine {
  readonly device: string
  /** @param options.updates - outputs that become the state and are needed nowhere else, by the tensors that they become */
  load(program: Program, options?: { readonly updates?: ReadonlyMap<string, string> }): Promise<LoadedProgram>
  setState(state: State): Promise<void>
  readState(): Promise<Map<string, HostTensor>>
}
