import { availableParallelism } from 'node:os'
import { fail } from '../base/errors.ts'
import type { HostTensor, State } from '../base/tensor.ts'
import type { Program } from '../graph/program.ts'
import { checkTensor, checkValues, specNamed } from './check-tensor.ts'
import { probeDevice, refuseDevice } from './devices.ts'
import { engineFolder } from './onnxruntime.ts'
import {
  type ApiInUse,
  alone,
  buffersOf,
  type Device,
  devices,
  type OrtApi,
  type StepResult,
} from './protocol.ts'
import { wantedApi } from './sessions.ts'
import { builtFile, Thread } from './thread.ts'

/** Device and threads of the engine. */
export interface EngineOptions {
  /** Device of the programs. Default: the processor. */
  readonly device?: Device
  /** Threads of one operation; by default, and at most, the processors that the system offers. */
  readonly threads?: number
  /** Prefix of the files of ONNX Runtime's profile of each operation. */
  readonly profile?: string
  /**
   * Whether programs are rewritten for the processor (see `blocked-layout.ts`). Default: true. The results
   * differ in rounding only.
   */
  readonly rewrite?: boolean
  /** Whether the caller has found that the device can be used here. By default the engine tries it, in a process of its own. */
  readonly isTried?: boolean
  /**
   * How ONNX Runtime is called. Default: what the environment variable `MOIETY_ORT_API` says, or else its C API for programs on the
   * processor, where that was tried, and its binding for Node otherwise.
   */
  readonly api?: OrtApi
}

/** How tensors reach the engine. */
export interface TransferOptions {
  /** Transfer the tensors' buffers instead of copying them; the caller can no longer use them. */
  readonly transfer?: boolean
}

/** Values for inputs of a program, by name. */
export type Feeds = ReadonlyMap<string, HostTensor>

/**
 * Runs programs in a separate thread, so that the caller's event loop stays free, and keeps the state there
 * between steps. Requests are served one after the other, in the order in which they were made.
 */
export class Engine {
  readonly device: Device
  readonly threads: number
  /** How ONNX Runtime is called, and why not by its C API where that is so. */
  readonly calls: ApiInUse
  readonly #thread: Thread
  #programs = 0

  private constructor(device: Device, threads: number, calls: ApiInUse, thread: Thread) {
    this.device = device
    this.threads = threads
    this.calls = calls
    this.#thread = thread
  }

  /**
   * Starts the engine's thread.
   *
   * @throws MoietyError `usage` when the device cannot be used here, or `threads` is not a positive integer
   */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const device = options.device ?? 'cpu'
    const api = options.api ?? wantedApi()
    const wanted = options.threads ?? availableParallelism()
    if (!Number.isInteger(wanted) || wanted < 1) {
      fail({
        kind: 'usage',
        message: `expected a positive integer as the number of threads, but got ${wanted}`,
        where: 'threads',
        help: `this machine has ${availableParallelism()}`,
      })
    }
    if (!devices.includes(device)) {
      fail({
        kind: 'usage',
        message: `there is no device "${device}"`,
        help: `devices are ${devices.join(', ')}`,
      })
    }
    // Here, and not only in the thread, whose failure would hide what to do about it.
    engineFolder()
    if (device !== 'cpu' && options.isTried !== true) {
      const { report } = await probeDevice(device)
      if (!report.usable) refuseDevice(report)
    }
    const threads = Math.min(wanted, availableParallelism())
    const thread = new Thread(builtFile('runtime/worker'))
    const { profile, rewrite = true } = options
    const settings = { device, threads, profile, rewrite }
    try {
      const calls = await thread.ask({ kind: 'start', settings, api })
      return new Engine(device, threads, calls, thread)
    } catch (error) {
      await thread.end('it could not be started')
      throw error
    }
  }

  /**
   * Prepares a program to be run.
   *
   * @param options.threads - threads of one operation: other than the engine's for a program that runs while other engines
   *   wait
   * @param options.seldom - on the processor, free the memory of a run at its end, for a program that runs rarely: it takes up
   *   to twice as long then, but does not hold memory between runs
   * @param options.updates - of a program that is only used with `step`: its outputs that become the state in each step and are
   *   needed nowhere else, by the tensors of the state that they become. On WebGPU they stay on the device, and on the processor
   *   the optimizer works over the state's own memory (see `separate-updates.ts`). The results are the same
   * @throws MoietyError `usage` that names the node when the engine does not accept the program
   */
  async load(
    program: Program,
    options: {
      readonly threads?: number
      readonly seldom?: boolean
      readonly updates?: ReadonlyMap<string, string>
    } = {},
  ): Promise<LoadedProgram> {
    const number = this.#programs++
    const { model, graph, inputs, outputs } = program
    const { threads, seldom = false, updates = new Map<string, string>() } = options
    const asked = { model: graph ?? model, inputs, outputs, threads, keepsMemory: !seldom, updates }
    await this.#thread.ask({ kind: 'load', program: number, ...asked })
    return new LoadedProgram(this.#thread, number, program)
  }

  /** Replaces the state that stays in the engine; the values are copied unless `transfer` is set. */
  async setState(state: State, options: TransferOptions = {}): Promise<void> {
    const sent = new Map([...state].map(([name, tensor]) => [name, alone(tensor)] as const))
    const handed = options.transfer === true ? buffersOf(sent.values()) : []
    await this.#thread.ask({ kind: 'setState', state: sent }, handed)
  }

  /**
   * A copy of the state, or of the tensors named.
   *
   * @throws MoietyError `usage` when a name is not in the state
   */
  async readState(names?: readonly string[]): Promise<Map<string, HostTensor>> {
    return await this.#thread.ask({ kind: 'readState', names })
  }

  /**
   * Tensors of the state in memory shared by all engines, for `adopt`. They may be the state's own memory: they hold these values
   * until this engine takes a step or shares again.
   *
   * @throws MoietyError `usage` when a name is not in the state
   */
  async share(names: readonly string[]): Promise<State> {
    return await this.#thread.ask({ kind: 'share', names })
  }

  /**
   * Takes over tensors that another engine has shared: its state has them from then on, where it can without a copy. A tensor in
   * shared memory is never written to by the engine that adopted it.
   *
   * @throws MoietyError `usage` when the state has a tensor of that name with another element type or shape
   */
  async adopt(shared: State): Promise<void> {
    await this.#thread.ask({ kind: 'adopt', shared })
  }

  /**
   * Ends the thread, once the running operation is done. Pending requests are rejected at once; a second call does nothing.
   */
  async stop(): Promise<void> {
    await this.#thread.end('it was stopped')
  }
}

/** A program that the engine has prepared. */
export class LoadedProgram {
  readonly #thread: Thread
  readonly #number: number
  readonly #program: Program

  /** @internal Use {@link Engine.load}. */
  constructor(thread: Thread, number: number, program: Program) {
    this.#thread = thread
    this.#number = number
    this.#program = program
  }

  /**
   * Runs the program. Inputs that are not fed are taken from the state by name.
   *
   * @param options.outputs - the outputs to compute. Default: all
   * @throws MoietyError `usage` for a name the program does not have, `data` for a tensor that does not fit, a value that the
   *   input does not take (`TensorSpec.takes`: labels, targets, the learning rate) or an operation that failed
   */
  async run(
    feeds: Feeds,
    options: TransferOptions & { readonly outputs?: readonly string[] } = {},
  ): Promise<Map<string, HostTensor>> {
    const outputs = options.outputs ?? this.#program.outputs.map(spec => spec.name)
    for (const name of outputs) specNamed(this.#program.outputs, name, 'output')
    const sent = this.#checked(feeds)
    return await this.#thread.ask(
      { kind: 'run', program: this.#number, feeds: sent, outputs },
      options.transfer === true ? buffersOf(sent.values()) : [],
    )
  }

  /**
   * Runs one training step. The outputs named in `updates` (output → tensor of the state) become the state, all
   * others are returned. When an output named in `guards` has a value that is not finite, the state is unchanged
   * and `committed` is false.
   *
   * @throws MoietyError as {@link LoadedProgram.run}, and `usage` when two outputs would become one tensor; the state is then as
   *   it was
   */
  async step(
    feeds: Feeds,
    options: TransferOptions & {
      readonly updates: ReadonlyMap<string, string>
      readonly guards: readonly string[]
    },
  ): Promise<StepResult> {
    const { updates, guards } = options
    for (const name of [...updates.keys(), ...guards]) specNamed(this.#program.outputs, name, 'output')
    refuseTwice([...updates.values()])
    const sent = this.#checked(feeds)
    return await this.#thread.ask(
      { kind: 'step', program: this.#number, feeds: sent, updates, guards },
      options.transfer === true ? buffersOf(sent.values()) : [],
    )
  }

  /** Releases the program and its memory. */
  async release(): Promise<void> {
    await this.#thread.ask({ kind: 'release', program: this.#number })
  }

  #checked(feeds: Feeds): Map<string, HostTensor> {
    const symbols = new Map<string, number>()
    return new Map(
      [...feeds].map(([name, tensor]) => {
        const spec = specNamed(this.#program.inputs, name, 'input')
        checkTensor(spec, tensor, symbols)
        checkValues(spec, tensor)
        return [name, alone(tensor)] as const
      }),
    )
  }
}

/** @throws MoietyError `usage` that names a tensor of the state that two outputs would become */
function refuseTwice(names: readonly string[]): void {
  if (new Set(names).size === names.length) return
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  fail({
    kind: 'usage',
    message: 'two outputs of a step update the same tensor of the state',
    where: `state ${twice}`,
    help: 'name each tensor of the state once in `updates`',
  })
}
