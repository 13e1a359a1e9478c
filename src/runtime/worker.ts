import { parentPort, workerData } from 'node:worker_threads'
import { fail, MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { encodeOnnx, type OnnxModel } from '../graph/onnx.ts'
import type { TensorSpec } from '../graph/program.ts'
import { blockSize } from './block-size.ts'
import { withBlockedLayout } from './blocked-layout.ts'
import { checkShape, checkTensor, signature, specNamed } from './check-tensor.ts'
import { DeviceCopies } from './device-copies.ts'
import { withPlainOps } from './plain-ops.ts'
import {
  type Answer,
  type ApiInUse,
  buffersOf,
  type EngineSettings,
  type Envelope,
  flags,
  type Replies,
  type Request,
  type StepResult,
  type ThreadData,
} from './protocol.ts'
import { type SeparatedStep, type SeparateUpdate, withSeparateUpdates } from './separate-updates.ts'
import {
  type Held,
  onHost,
  type Session,
  type SessionProgram,
  type Sessions,
  type Update,
} from './session.ts'
import { sessionsFor } from './sessions.ts'
import { free, StateStore } from './state-store.ts'

/**
 * The engine's thread. ONNX Runtime blocks the thread that calls it, so everything that computes happens here,
 * one request after the other.
 */
interface Loaded {
  readonly session: Session
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** Whether outputs of it stay on the device, while it is loaded. */
  readonly ownsState: boolean
  /** What of a step's new state is computed apart from it, and by which sessions. */
  readonly separate: Pick<SeparatedStep, 'values' | 'updates'> & {
    readonly sessions: readonly Session[]
    /** Outputs of the program that they compute. */
    readonly outputs: readonly TensorSpec[]
  }
}

const given: ThreadData = workerData
const shared = new Int32Array(given.flags)
const programs = new Map<number, Loaded>()

/** What the first request sets. */
interface Started {
  readonly settings: EngineSettings
  readonly sessions: Sessions
  readonly copies: DeviceCopies
  readonly state: StateStore
  /** Channels in a block, where convolutions are rewritten to work on blocks. */
  readonly block: number | undefined
}
let started: Started | undefined

const engine = (): Started => started ?? fail({ kind: 'usage', message: 'the engine was not started' })

async function start({ settings, api: wanted }: Extract<Request, { kind: 'start' }>): Promise<ApiInUse> {
  const { reason, ...sessions } = await sessionsFor(settings.device, wanted)
  const block =
    settings.rewrite && settings.device === 'cpu' ? await blockSize(undefined, sessions) : undefined
  const copies = new DeviceCopies(sessions)
  const state = new StateStore(tensors => copies.download(tensors, settings), {
    isWrittenInPlace: sessions.api === 'c',
  })
  started = { settings, sessions, copies, state, block }
  const { api, version } = sessions
  return { api, version, ...(reason === undefined ? {} : { reason }) }
}

async function answer(request: Request): Promise<Partial<Replies>> {
  if (request.kind === 'start') return { start: await start(request) }
  const { sessions, copies, state } = engine()
  switch (request.kind) {
    case 'load': {
      programs.set(request.program, await loaded(request))
      return { load: true }
    }
    case 'run':
      return { run: await run(programNumbered(request.program), request.feeds, request.outputs) }
    case 'step':
      return { step: await step(programNumbered(request.program), request) }
    case 'setState':
      state.replace(request.state)
      return { setState: true }
    case 'readState':
      return { readState: await state.read(request.names) }
    case 'share':
      return { share: state.share(request.names) }
    case 'adopt':
      state.adopt(request.shared)
      return { adopt: true }
    case 'release': {
      if (programNumbered(request.program).ownsState) await state.leaveDevice()
      await closed(programNumbered(request.program))
      programs.delete(request.program)
      return { release: true }
    }
    case 'stop':
      state.replace(new Map())
      await copies.close()
      for (const program of programs.values()) await closed(program)
      programs.clear()
      sessions.close()
      return { stop: true }
  }
}

async function loaded(request: Extract<Request, { kind: 'load' }>): Promise<Loaded> {
  const { settings, sessions } = engine()
  const { model, inputs, outputs, program, threads, keepsMemory, updates: becoming } = request
  const choices = { threads, keepsMemory, staying: [...becoming.keys()] }
  const isSeparate = sessions.api === 'c' && settings.rewrite && !(model instanceof Uint8Array)
  const {
    values,
    programs: parts,
    updates,
    ...step
  } = isSeparate
    ? withSeparateUpdates(rewritten(model), becoming)
    : { values: [], programs: [], updates: [], model: model instanceof Uint8Array ? model : rewritten(model) }
  const written = new Set(updates.flatMap(one => [...one.updates.values()]))
  const isSeparately = ({ name }: TensorSpec): boolean => written.has(becoming.get(name) ?? '')
  const left = outputs.filter(output => !isSeparately(output))
  const open = (of: SessionProgram, name: string): Promise<Session> =>
    sessions.open(of, settings, name, choices)
  return {
    session: await open(
      { model: encoded(step.model), inputs, outputs: [...left, ...values] },
      String(program),
    ),
    inputs,
    outputs: left,
    ownsState: settings.device === 'webgpu' && becoming.size > 0,
    separate: {
      values,
      updates,
      outputs: outputs.filter(isSeparately),
      sessions: await Promise.all(
        parts.map((part, i) => open({ ...part, model: encodeOnnx(part) }, `${program}-update-${i}`)),
      ),
    },
  }
}

async function closed({ session, separate }: Loaded): Promise<void> {
  for (const one of [session, ...separate.sessions]) await one.close()
}

/** The program as it runs on the device. */
function rewritten(model: OnnxModel): OnnxModel {
  const { settings, block } = engine()
  if (!settings.rewrite) return model
  if (settings.device === 'webgpu') return withPlainOps(model)
  return block === undefined ? model : withBlockedLayout(model, block)
}

const encoded = (model: Uint8Array | OnnxModel): Uint8Array =>
  model instanceof Uint8Array ? model : encodeOnnx(model)

async function run(
  loaded: Loaded,
  feeds: ReadonlyMap<string, HostTensor>,
  outputs: readonly string[],
): Promise<Map<string, HostTensor>> {
  const wanted = outputs.map(name => ({ spec: specNamed(loaded.outputs, name, 'output') }))
  const results = await loaded.session.run(gather(loaded, feeds), wanted)
  return new Map([...results].flatMap(([name, { host }]) => (host === undefined ? [] : [[name, host]])))
}

async function step(loaded: Loaded, request: Extract<Request, { kind: 'step' }>): Promise<StepResult> {
  const { state } = engine()
  const { updates, guards } = request
  const { separate } = loaded
  for (const spec of separate.outputs) {
    const name = updates.get(spec.name) ?? refuseMissing(spec.name)
    checkUpdate(spec.name, spec, name)
    state.own(name)
  }
  const read = new Set(separate.updates.flatMap(({ scalars }) => [...scalars.values()]))
  const wanted = [
    ...loaded.outputs.map(spec => ({
      spec,
      after:
        guards.includes(spec.name) || read.has(spec.name)
          ? undefined
          : placeFor(spec, updates.get(spec.name)),
    })),
    ...separate.values.map(spec => ({ spec, isKept: spec.shape.length > 0 && !read.has(spec.name) })),
  ]
  const inputs = gather(loaded, request.feeds)
  let values = new Map<string, Held>()
  let committed = false
  let isWriting = false
  let nonFinite: string[] = []
  try {
    await loaded.session.run(inputs, wanted, results => {
      values = results
      for (const [output, name] of updates)
        if (values.has(output)) checkUpdate(output, values.get(output)!.spec, name)
      nonFinite = guards.filter(name => !allFinite(values.get(name)!))
      if (nonFinite.length > 0) return false
      isWriting = separate.updates.length > 0
      return separate.updates.map(update => overState(loaded, update, inputs, values))
    })
    isWriting = false
    committed = nonFinite.length === 0
    const changed = [...updates].flatMap(([output, name]) =>
      values.has(output) ? [[name, values.get(output)!] as const] : [],
    )
    if (committed) state.update(new Map(changed))
  } catch (error) {
    throw isWriting ? withoutState(error) : error
  } finally {
    // Memory on the device is not left to the garbage collector: it must be free before its session is released.
    const isState = (name: string): boolean => committed && updates.has(name)
    free([...values].flatMap(([name, one]) => (one.host === undefined && !isState(name) ? [one] : [])))
  }
  const returned = loaded.outputs.flatMap(({ name }) => {
    const host = updates.has(name) ? undefined : values.get(name)?.host
    return host === undefined ? [] : [[name, host] as const]
  })
  return { outputs: new Map(returned), committed, nonFinite }
}

/** An update of tensors of the state, of which this step has read or made what it needs. */
function overState(
  { separate }: Loaded,
  { program, vectors, scalars, updates }: SeparateUpdate,
  inputs: ReadonlyMap<string, Held>,
  values: ReadonlyMap<string, Held>,
): Update {
  const { state } = engine()
  const given = (name: string): HostTensor | undefined => (inputs.get(name) ?? values.get(name))?.host
  return {
    session: separate.sessions[program]!,
    vectors: new Map([...vectors].map(([input, name]) => [input, given(name) ?? name])),
    scalars: new Map([...scalars].map(([input, name]) => [input, given(name)!])),
    outputs: new Map([...updates].map(([output, name]) => [output, state.get(name).host!])),
  }
}

/** What was being written is neither the old state nor the new one. */
function withoutState(error: unknown): MoietyError {
  engine().state.replace(new Map())
  return new MoietyError({
    kind: 'data',
    message: `the new state could not be written: ${error instanceof Error ? error.message : String(error)}`,
    help: 'the engine has no state any more: set it again, or resume the training from its last checkpoint',
    cause: error,
  })
}

function refuseMissing(output: string): never {
  return fail({
    kind: 'usage',
    message: 'the program was loaded for steps that update more tensors of the state',
    where: `output ${output}`,
    help: 'give `step` the `updates` that `load` was given',
  })
}

/** Where an output that becomes a tensor of the state is put, if its extents are known and it can be put there. */
function placeFor(spec: TensorSpec, name: string | undefined): HostTensor | undefined {
  if (name === undefined || !spec.shape.every(extent => typeof extent === 'number')) return undefined
  checkUpdate(spec.name, spec, name)
  return engine().state.placeOf(name)
}

/** Every input of the program: from the feeds, or else from the state. */
function gather(loaded: Loaded, feeds: ReadonlyMap<string, HostTensor>): Map<string, Held> {
  const { state } = engine()
  const symbols = new Map<string, number>()
  const inputs = new Map<string, Held>()
  for (const spec of loaded.inputs) {
    const fed = feeds.get(spec.name)
    const kept = fed === undefined ? state.find(spec.name) : undefined
    const known = fed ?? kept?.host
    const form =
      known ??
      kept?.spec ??
      fail({
        kind: 'usage',
        message: `the program's input is neither fed nor in the state`,
        where: `tensor ${spec.name}, ${signature(spec)}`,
        help: 'feed it, or set a state that holds it',
      })
    if (known === undefined) checkShape(spec, form, symbols)
    else checkTensor(spec, known, symbols)
    inputs.set(spec.name, kept ?? onHost(fed!))
  }
  return inputs
}

/** An update has the shape and element type of what it replaces. */
function checkUpdate(output: string, after: Pick<TensorSpec, 'dtype' | 'shape'>, name: string): void {
  const before = engine().state.get(name).spec
  const fits = after.dtype === before.dtype && String(after.shape) === String(before.shape)
  if (!fits) {
    fail({
      kind: 'usage',
      message: `the program writes ${signature(after)} over ${signature(before)}`,
      where: `output ${output}, state ${name}`,
      help: 'a step must not change the shape and element type of the state',
    })
  }
}

function allFinite({ host }: Held): boolean {
  const data = host?.data
  if (!(data instanceof Float32Array)) return true
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false
  return true
}

function programNumbered(program: number): Loaded {
  return (
    programs.get(program) ??
    fail({ kind: 'usage', message: 'the program was released', help: 'load it again before it is run' })
  )
}

/** What the main thread needs to rebuild the error; a cause may contain values that cannot be sent. */
function facts(error: unknown): NonNullable<Answer['error']> {
  if (!(error instanceof MoietyError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { kind: 'usage', message: `the engine's thread failed: ${text}` }
  }
  return {
    kind: error.kind,
    message: error.message,
    ...(error.where === undefined ? {} : { where: error.where }),
    ...(error.help === undefined ? {} : { help: error.help }),
  }
}

async function serve({ id, request }: Envelope): Promise<void> {
  Atomics.store(shared, flags.running, 1)
  try {
    // Requests before the stop have been rejected already.
    if (request.kind !== 'stop' && Atomics.load(shared, flags.stopping) === 1) return
    const reply = await answer(request)
    const tensors = [...(reply.run ?? reply.readState ?? reply.step?.outputs ?? new Map()).values()]
    parentPort?.postMessage({ id, reply } satisfies Answer, buffersOf(tensors))
  } catch (error) {
    parentPort?.postMessage({ id, error: facts(error) } satisfies Answer)
  } finally {
    Atomics.store(shared, flags.running, 0)
    Atomics.notify(shared, flags.running)
  }
}

// Requests are served strictly in order: a step must see the state of the previous step.
let last = Promise.resolve()
parentPort?.on('message', (envelope: Envelope) => {
  last = last.then(() => serve(envelope))
})
