import { sha256 as hash } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import {
  type Config,
  checkpointFormat,
  decodeSafetensors,
  describeModel,
  emptyEpoch,
  encodeMetadata,
  encodeSafetensors,
  exportedModel,
  type HostTensor,
  hashedText,
  isJsonObject,
  type ModelForm,
  MoietyError,
  modelFile,
  nameOf,
  readSums,
  recordOf,
  recordText,
  remembered,
  resolveConfig,
  type State,
  stateFiles,
  withAdditions,
  withoutSafeKeys,
} from 'moiety/step'
import { sampleLimit } from '../settings.ts'
import type { ImageData } from './data.ts'
import { extraOf, type Snapshot } from './training.ts'

/** Files by their paths in a folder, `/` between its parts. */
export type Files = ReadonlyMap<string, Uint8Array>

/** The version of Moiety, and where this page runs. */
export interface Place {
  readonly version: string
  readonly device: string
  readonly threads: number
  readonly onnxruntime: string
  readonly browser: string
}

const sha256 = (content: Uint8Array | string): string =>
  bytesToHex(hash(typeof content === 'string' ? utf8ToBytes(content) : content))

/** The SHA-256 of some bytes, in hexadecimal. */
export function digest(content: Uint8Array): string {
  return sha256(content)
}

const json = (value: object): Uint8Array => utf8ToBytes(`${JSON.stringify(value, null, 2)}\n`)

/**
 * A training as the folder of a run, which `moiety train --resume --out FOLDER` continues and every other command reads, with
 * `model.onnx` as `moiety export` writes it.
 */
export function runFiles(snapshot: Snapshot, data: ImageData, place: Place): Files {
  const { config, step, epoch, batch, state, log } = snapshot
  const { version, device, threads, onnxruntime, browser } = place
  const isOptimizer = (name: string): boolean => name.startsWith('optimizer.')
  const part = (wanted: boolean): State =>
    new Map([...state].filter(([name]) => isOptimizer(name) === wanted))
  const contents = {
    'model.safetensors': encodeSafetensors(part(false)),
    'optimizer.safetensors': encodeSafetensors(part(true)),
  }
  const facts = (file: (typeof stateFiles)[number]) => ({
    bytes: contents[file].length,
    sha256: sha256(contents[file]),
  })
  const record = recordText(
    {
      format: checkpointFormat,
      moiety: version,
      ...{ step, epoch, batch },
      config: sha256(hashedText(withoutSafeKeys(config))),
      files: {
        'model.safetensors': facts('model.safetensors'),
        'optimizer.safetensors': facts('optimizer.safetensors'),
      },
      extra: extraOf(snapshot, data),
    },
    sha256,
  )
  const folder = `checkpoints/${nameOf(step)}`
  return new Map([
    ['config.json', json(config)],
    [
      'environment.json',
      json({
        moiety: version,
        recipe: 'playground',
        node: 'none: trained in a browser',
        onnxruntime,
        device: device === 'wasm' ? 'cpu' : device,
        threads,
        platform: browser,
        cpu: 'unknown',
        cores: threads,
        memory: 0,
        commit: null,
      }),
    ],
    ['metrics.jsonl', utf8ToBytes(log.map(line => `${line}\n`).join(''))],
    [`${folder}/model.safetensors`, contents['model.safetensors']],
    [`${folder}/optimizer.safetensors`, contents['optimizer.safetensors']],
    [`${folder}/state.json`, utf8ToBytes(record)],
    ['model.onnx', onnxFile(snapshot, data, version)],
  ])
}

const form: ModelForm = { routing: 'sparse', batch: null, uint8: false, channelsLast: false }

/** The network as one ONNX file, byte for byte as `moiety export` writes it of the same checkpoint. */
function onnxFile({ config, state, step, log }: Snapshot, data: ImageData, version: string): Uint8Array {
  const { classes, superclasses, superclassOf, size, mean, std } = data
  const normalisation = { mean, std }
  const exported = exportedModel(
    { model: config.model, classes: classes.length, size, state, normalisation },
    form,
  )
  const metadata = describeModel(
    {
      config,
      checkpoint: { step },
      recipe: 'playground',
      data: { classes, superclasses, superclassOf, size, normalisation },
      accuracy: accuracyAt(log, step),
      cocoMetrics: undefined,
      measures: undefined,
      captions: {},
      task: 'image-classification',
      version,
    },
    form,
    exported.layers,
  )
  return modelFile(exported, { name: config.model.name, metadata: encodeMetadata(metadata) }).model
}

function accuracyAt(log: readonly string[], step: number): { top1: number; top5: number } | undefined {
  const line = log.map(parsed).find(one => one.kind === 'epoch' && one.split === 'test' && one.step === step)
  return typeof line?.top1 === 'number' && typeof line.top5 === 'number'
    ? { top1: line.top1, top5: line.top5 }
    : undefined
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** A run that was opened. */
export interface OpenedRun {
  readonly snapshot: Snapshot
  /** Null where no checkpoint says it. */
  readonly classes: readonly string[]
  readonly size: number
  readonly mean: ImageData['mean']
  readonly std: ImageData['std']
  /** Why the training cannot go on here; undefined where it can, given its data. */
  readonly onlyLooked: string | undefined
}

/** Whether files are those of a run's folder. */
export function isRun(files: ReadonlyMap<string, unknown>): boolean {
  return rootOf([...files.keys()]) !== undefined
}

/** The path up to `config.json`, as folders are dropped with their names; undefined where there is none. */
function rootOf(paths: readonly string[]): string | undefined {
  const found = paths
    .filter(path => /(^|\/)config\.json$/.test(path))
    .toSorted((a, b) => a.length - b.length)[0]
  return found?.slice(0, -'config.json'.length)
}

/** Which files of a run are read: the newest checkpoint's, the configuration and the log. */
export function neededFiles(paths: readonly string[]): readonly string[] {
  const root = rootOf(paths) ?? ''
  const newest = checkpointsOf(paths, root).at(-1)
  const wanted = ['config.json', 'metrics.jsonl', ...(newest === undefined ? [] : partsOf(newest))]
  return wanted.map(path => `${root}${path}`).filter(path => paths.includes(path))
}

const partsOf = (folder: string): string[] => ['state.json', ...stateFiles].map(file => `${folder}/${file}`)

/** Folders of checkpoints, oldest first. */
function checkpointsOf(paths: readonly string[], root: string): string[] {
  const folders = paths.flatMap(path =>
    path.startsWith(root)
      ? (/^checkpoints\/step-\d+(?=\/state\.json$)/.exec(path.slice(root.length))?.[0] ?? [])
      : [],
  )
  const stepOf = (folder: string): number => Number(/\d+$/.exec(folder)?.[0])
  return folders.toSorted((a, b) => stepOf(a) - stepOf(b))
}

/**
 * Reads the folder of a run: its configuration, log and newest checkpoint, whose checksums are compared.
 *
 * @throws MoietyError that says which file is missing or damaged, or why this page cannot show the run
 */
export function openRun(files: Files): OpenedRun {
  const root = rootOf([...files.keys()]) ?? ''
  const text = (path: string): string | undefined => {
    const bytes = files.get(`${root}${path}`)
    return bytes && new TextDecoder().decode(bytes)
  }
  const config = configOf(text('config.json'))
  const folder = checkpointsOf([...files.keys()], root).at(-1)
  if (folder === undefined)
    throw new MoietyError({
      kind: 'data',
      message: 'expected a run with a checkpoint, but there is none in its folder checkpoints/',
      help: 'drop the folder that moiety train has written, after its first epoch',
    })
  const record = recordOf(text(`${folder}/state.json`) ?? '', sha256)
  if ('damage' in record) throw damaged(`${folder}/state.json`, record.damage)
  const state = new Map<string, HostTensor>()
  for (const file of stateFiles) {
    const bytes = files.get(`${root}${folder}/${file}`)
    const expected = record.files[file]
    if (bytes === undefined) throw damaged(`${folder}/${file}`, 'it is missing')
    if (bytes.length !== expected.bytes)
      throw damaged(`${folder}/${file}`, `it has ${bytes.length} bytes, expected ${expected.bytes}`)
    if (sha256(bytes) !== expected.sha256) throw damaged(`${folder}/${file}`, 'its checksum does not match')
    for (const [name, tensor] of decodeSafetensors(bytes, file).tensors) state.set(name, tensor)
  }
  const data = remembered(record.extra)
  if (data === undefined || data.mean === null || data.std === null)
    throw damaged(`${folder}/state.json`, 'it does not say which classes and normalisation the network has')
  const log = (text('metrics.jsonl') ?? '').split('\n').filter(line => line !== '')
  const { step, epoch, batch, extra } = record
  const sums = readSums(extra) ?? emptyEpoch([])
  return {
    snapshot: { config, step, epoch, batch, state, sums, log: upTo(log, step), extra },
    classes: data.classes,
    size: data.size ?? config.data.size,
    mean: data.mean,
    std: data.std,
    onlyLooked: whyOnlyLooked(config, data.train),
  }
}

/** Lines about steps after the checkpoint are of a training that goes on elsewhere. */
function upTo(log: readonly string[], step: number): string[] {
  return log.filter(line => Number(parsed(line).step) <= step)
}

function configOf(text: string | undefined): Config {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    throw damaged('config.json', 'it is not JSON')
  }
  if (!isJsonObject(value)) throw damaged('config.json', 'it is no JSON object')
  const config = resolveConfig(withAdditions(value), 'config.json')
  if (config.model.detector !== null || config.data.name === 'multi-label')
    throw new MoietyError({
      kind: 'usage',
      message: 'this page shows classifiers, and the run is a detector or gives images several labels',
      help: 'moiety explain RUN makes a page of it',
    })
  if (config.model.moe.length === 0)
    throw new MoietyError({
      kind: 'usage',
      message: 'the network of this run has no mixture of experts',
      help: 'drop a run with model.moe',
    })
  return config
}

/** Why a training would not go on here as it began; undefined where it would. */
function whyOnlyLooked(config: Config, images: number): string | undefined {
  const { data, training, augmentation, engine: _ } = config
  if (data.name === 'sample' && images !== sampleLimit.train)
    return `it was trained on ${images} images of the sample, of which this page has ${sampleLimit.train}`
  if (data.name !== 'sample' && data.name !== 'folder') return `its data, ${data.name}, is not here`
  const unknown = [
    ...(augmentation.mixup || augmentation.cutmix || augmentation.transforms ? ['mixing or transforms'] : []),
    ...(training.ema ? ['a moving average of the weights'] : []),
    ...((training.accumulate ?? 1) > 1 || training.replicas > 1 ? ['divided batches'] : []),
    ...(training.classWeights || data.sampling ? ['weights of classes'] : []),
    ...(training.resizing ? ['images of several sizes'] : []),
  ]
  return unknown.length === 0 ? undefined : `it uses ${unknown.join(', ')}, which only the command line has`
}

function damaged(file: string, damage: string): MoietyError {
  return new MoietyError({
    kind: 'data',
    message: `${file} of the run cannot be used: ${damage}`,
    help: 'restore the file, or drop another run',
  })
}
