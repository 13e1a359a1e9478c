import type { Program } from 'moiety/graph'
import { type HostTensor, MoietyError, plainModel, type State } from 'moiety/step'
import type { InferenceSession, Tensor } from 'onnxruntime-web/wasm'
import type { LoadedProgram, TrainingEngine, Values } from './engine.ts'

/** Where onnxruntime-web computes. */
export type WebDevice = 'wasm' | 'webgpu'

type Runtime = typeof import('onnxruntime-web/wasm')

/** What a step has copied, and what it has not. */
export interface Traffic {
  /** Numbers that the step has copied from the graphics card to the host. */
  readonly copied: number
  /** Tensors of the state that are in the graphics card's memory. */
  readonly onDevice: number
}

/** Says that the graphics card is gone: another process took it, its driver restarted, the machine slept. */
export class DeviceLost extends Error {}

/** onnxruntime-web: WebAssembly with SIMD, and threads where the page is isolated; or WebGPU. */
export class WebEngine implements TrainingEngine {
  readonly #state = new Map<string, Tensor>()
  #lost: string | undefined
  #traffic: Traffic = { copied: 0, onDevice: 0 }

  private constructor(
    readonly device: WebDevice,
    readonly threads: number,
    readonly runtime: Runtime,
  ) {}

  /**
   * @param files - the address of the folder with ONNX Runtime's WebAssembly
   * @param threads - of one operation; one where memory cannot be shared
   */
  static async start(device: WebDevice, files: string, threads: number): Promise<WebEngine> {
    const runtime: Runtime =
      device === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm')
    const usable = globalThis.crossOriginIsolated === true ? Math.max(1, threads) : 1
    runtime.env.logLevel = 'error'
    runtime.env.wasm.numThreads = usable
    runtime.env.wasm.wasmPaths = files
    return new WebEngine(device, usable, runtime)
  }

  /** Of the last step. */
  get traffic(): Traffic {
    return this.#traffic
  }

  /** Called once the graphics card is there, with what tells when it is gone. */
  #watch(): void {
    if (this.device !== 'webgpu' || this.#lost !== undefined) return
    const { device } = this.runtime.env.webgpu as { readonly device?: Promise<GpuDevice> | GpuDevice }
    void Promise.resolve(device)
      .then(there => there?.lost)
      .then(info => {
        if (info !== undefined) this.#lost ??= info.message || info.reason
      })
  }

  /** For tests: takes the graphics card away. */
  async lose(): Promise<void> {
    const { device } = this.runtime.env.webgpu as { readonly device?: Promise<GpuDevice> | GpuDevice }
    if (this.device === 'webgpu') (await device)?.destroy()
    this.#lost ??= 'it was taken away'
  }

  refuseLost(): void {
    if (this.#lost !== undefined) throw new DeviceLost(`the graphics card was lost: ${this.#lost}`)
  }

  async load(
    program: Program,
    { updates = new Map() }: { readonly updates?: ReadonlyMap<string, string> } = {},
  ): Promise<LoadedProgram> {
    const isGpu = this.device === 'webgpu'
    const model = isGpu ? plainModel(program) : program.model
    const options: InferenceSession.SessionOptions = {
      executionProviders: [this.device],
      // On the processor half of the time to make a session, and no step slower: the programs are already without anything needless.
      graphOptimizationLevel: isGpu ? 'all' : 'disabled',
      enableMemPattern: false,
      logSeverityLevel: 3,
      ...(isGpu && updates.size > 0
        ? {
            preferredOutputLocation: Object.fromEntries(
              [...updates.keys()].map(name => [name, 'gpu-buffer' as const]),
            ),
          }
        : {}),
    }
    const session = await this.#guarded(() => this.runtime.InferenceSession.create(model, options))
    this.#watch()
    const needed = program.inputs.map(({ name }) => name)
    const run = async (feeds: Values): Promise<InferenceSession.ReturnType> => {
      const given: Record<string, Tensor> = {}
      for (const name of needed) {
        const fed = feeds.get(name)
        const tensor = fed === undefined ? this.#state.get(name) : this.#tensor(fed)
        if (tensor === undefined)
          throw new MoietyError({
            kind: 'usage',
            message: `the program needs "${name}", which is neither fed nor state`,
          })
        given[name] = tensor
      }
      return await this.#guarded(() => session.run(given))
    }
    return {
      run: async feeds => new Map(Object.entries(await run(feeds)).map(([name, one]) => [name, hostOf(one)])),
      step: async (feeds, { updates, guards }) => {
        const results = Object.entries(await run(feeds))
        const guarded = results.filter(([name]) => guards.includes(name))
        const committed = guarded.every(([, { data }]) =>
          Array.from(data as Float32Array).every(Number.isFinite),
        )
        const outputs = new Map<string, HostTensor>()
        for (const [name, tensor] of results) {
          const place = updates.get(name)
          if (place === undefined || guards.includes(name)) outputs.set(name, hostOf(tensor))
          if (place === undefined) continue
          if (committed) {
            this.#state.get(place)?.dispose()
            this.#state.set(place, tensor)
          } else if (tensor.location === 'gpu-buffer') tensor.dispose()
        }
        const onHost = results.filter(([, { location }]) => location !== 'gpu-buffer')
        this.#traffic = {
          copied: isGpu ? onHost.reduce((sum, [, { size }]) => sum + size, 0) : 0,
          onDevice: [...this.#state.values()].filter(({ location }) => location === 'gpu-buffer').length,
        }
        return { outputs, committed }
      },
    }
  }

  async setState(state: State): Promise<void> {
    for (const tensor of this.#state.values()) tensor.dispose()
    this.#state.clear()
    for (const [name, tensor] of state) this.#state.set(name, this.#tensor(tensor))
  }

  async readState(): Promise<Map<string, HostTensor>> {
    const state = new Map<string, HostTensor>()
    for (const [name, tensor] of this.#state) {
      if (tensor.location === 'gpu-buffer') {
        const data = await this.#guarded(() => tensor.getData())
        state.set(name, {
          dtype: 'float32',
          shape: [...tensor.dims],
          data: Float32Array.from(data as Float32Array),
        })
      } else state.set(name, copied(hostOf(tensor)))
    }
    return state
  }

  #tensor({ dtype, data, shape }: HostTensor): Tensor {
    return new this.runtime.Tensor(dtype, data as Float32Array, shape)
  }

  /** ONNX Runtime reports a lost device as any other failure, or as numbers that are none. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    this.refuseLost()
    try {
      const result = await work()
      this.refuseLost()
      return result
    } catch (cause) {
      if (cause instanceof DeviceLost || this.device !== 'webgpu') throw cause
      // The device's own word comes a turn later.
      await new Promise(resolve => setTimeout(resolve, 50))
      this.refuseLost()
      if (/device.*lost|lost.*device|destroyed/i.test(String(cause))) throw new DeviceLost(String(cause))
      throw cause
    }
  }
}

/** The part of a `GPUDevice` that is used here. */
interface GpuDevice {
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>
  destroy(): void
}

function hostOf({ type, data, dims }: Tensor): HostTensor {
  if (type === 'float32' && data instanceof Float32Array) return { dtype: type, shape: dims, data }
  if (type === 'int64' && data instanceof BigInt64Array) return { dtype: type, shape: dims, data }
  if ((type === 'bool' || type === 'uint8') && data instanceof Uint8Array)
    return { dtype: type, shape: dims, data }
  throw new MoietyError({ kind: 'usage', message: `the program gave a tensor of ${type}` })
}

function copied(tensor: HostTensor): HostTensor {
  return { ...tensor, data: tensor.data.slice() }
}
