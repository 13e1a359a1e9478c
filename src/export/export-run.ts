import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fail } from '../base/errors.ts'
import { canvasesOf, canvasRule } from '../data/detection/canvas.ts'
import { type Disk, kindOf, nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import { version } from '../files/version.ts'
import { irVersion, opset, type TensorSpec } from '../graph/index.ts'
import type { Canvas } from '../models/index.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import type { CheckpointChoice } from '../tasks/choose-checkpoint.ts'
import { isDetector } from '../tasks/detection/detector-of.ts'
import { kindOfTask } from '../tasks/kinds.ts'
import { describeModel } from './describe.ts'
import { exportedDetector } from './export-detector.ts'
import { type ExportedModel, exportedModel, type ModelForm, modelFile } from './export-model.ts'
import { hubFiles } from './hub.ts'
import { encodeMetadata, type ModelMetadata } from './metadata.ts'
import { type RunFacts, readRun } from './run-facts.ts'

/** Which run to export, in what form, and where to. */
export interface ExportOptions extends CheckpointChoice {
  /** The run's folder. */
  readonly run: string
  /**
   * The ONNX file; default: `model.onnx` in the run's folder. A detector whose images come on two canvases gets two
   * files, with the height and width in their names: `model-608x1024.onnx`, `model-1024x608.onnx`.
   */
  readonly out?: string
  /** Whether only the chosen experts are computed (`sparse`, the default) or all, by a model of fixed shapes. */
  readonly routing?: ModelForm['routing']
  /** Batch size; null: any. Default: any for `sparse`, 1 for `dense`. */
  readonly batch?: number | null
  /** Take uint8 pixels and normalise them inside. */
  readonly uint8?: boolean
  /** Take [N, H, W, 3] instead of [N, 3, H, W]. */
  readonly channelsLast?: boolean
  /** A folder for `model.safetensors`, `config.json` and a model card. Default: none. */
  readonly hub?: string
  /** Called with warnings and progress. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Aborts before anything is written; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** One ONNX file. */
export interface ExportedFile {
  readonly file: string
  readonly bytes: number
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/** What was written. */
export interface ExportSummary extends ExportedFile {
  readonly run: string
  /** Training steps of the checkpoint. */
  readonly step: number
  /** Which checkpoint and weights, in words. */
  readonly checkpoint: string
  readonly opset: number
  readonly irVersion: number
  /** The same network for another canvas; none for a classifier, or a detector whose canvas is square. */
  readonly others: readonly ExportedFile[]
  /** Numbers of BatchNorms folded into a convolution, and of those that remain. */
  readonly batchNorms: { readonly folded: number; readonly left: number }
  /** Metadata of the file. */
  readonly metadata: ModelMetadata
  /** Files for a model hub; empty by default. */
  readonly hubFiles: readonly string[]
}

/**
 * Writes the newest checkpoint of a run as one ONNX file: default domain only, parameters inside, BatchNorm folded where
 * that is exact. All files are replaced together after all are written.
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, or options that do not fit; `data`
 *   where the classes are not known; `disk` for a damaged checkpoint, or a file that cannot be written
 */
export async function exportRun(options: ExportOptions): Promise<ExportSummary> {
  return await exportTo(nodeDisk, options)
}

/** {@link exportRun} to any disk. */
export async function exportTo(disk: Disk, options: ExportOptions): Promise<ExportSummary> {
  const { run, routing = 'sparse', uint8 = false, channelsLast = false, signal } = options
  const onEvent = stoppedBy(signal, options.onEvent)
  const file = options.out ?? join(run, 'model.onnx')
  const { batch = routing === 'dense' ? 1 : null } = options
  if (options.out !== undefined) refusePlace(options.out)
  refuseBatch(batch)
  const facts = await readRun(run, onEvent, {
    checkpoint: options.checkpoint,
    weights: options.weights,
  })
  const form: ModelForm = { routing, batch, uint8, channelsLast }
  const { config, checkpoint } = facts
  const described = { ...facts, task: kindOfTask(config).exportName, version }
  const made = []
  for (const { place, canvas, build } of networksOf(facts, file)) {
    // Signals are handled only between two networks.
    await setImmediate()
    signal?.throwIfAborted()
    const exported = build(form)
    const metadata = describeModel(described, form, exported.layers, canvas)
    const named = { name: config.model.name, metadata: encodeMetadata(metadata) }
    const { model, inputs, outputs } = modelFile(exported, named)
    const one = { file: place, bytes: model.length, inputs, outputs }
    made.push({ exported, metadata, one, content: { path: place, bytes: model } })
  }
  await setImmediate()
  signal?.throwIfAborted()
  const { exported, metadata, one } = made[0]!
  const { batchNorms, parameters } = exported
  const forHub = options.hub === undefined ? [] : hubFiles(options.hub, { metadata, config, parameters })
  replaceFiles(disk, [...made.map(({ content }) => content), ...forHub])
  return {
    run,
    step: checkpoint.step,
    checkpoint: checkpoint.description,
    ...one,
    opset,
    irVersion,
    others: made.slice(1).map(other => other.one),
    batchNorms,
    metadata,
    hubFiles: forHub.map(({ path }) => path),
  }
}

/** A file to be written, and what goes into it. */
export interface Network {
  readonly place: string
  /** Of a detector. */
  readonly canvas?: Canvas
  readonly build: (form: ModelForm) => ExportedModel
}

/** One network for a classifier, one for each canvas for a detector. */
export function networksOf({ config, checkpoint: { state }, data }: RunFacts, file: string): Network[] {
  const { model } = config
  const known = { classes: data.classes.length, state, normalisation: data.normalisation }
  if (!isDetector(model)) {
    const trained = { ...known, model, size: data.size }
    return [{ place: file, build: form => exportedModel(trained, form) }]
  }
  const canvases = canvasesOf(canvasRule(config.data.size, config.data.shortest))
  return canvases.map(canvas => {
    const ending = canvases.length > 1 ? `-${canvas.join('x')}.onnx` : '.onnx'
    const build = (form: ModelForm) => exportedDetector({ ...known, model, canvas }, form)
    return { place: file.replace(/\.onnx$/, ending), canvas, build }
  })
}

function refuseBatch(batch: number | null): void {
  if (batch === null || (Number.isInteger(batch) && batch >= 1)) return
  fail({
    kind: 'usage',
    message: `expected a whole number of images from 1, or null for any number, got ${batch}`,
    where: 'batch',
    help: 'for example 1',
  })
}

/** Checked before slow work: a file of a run must not be overwritten by mistake, and folders are not created. */
function refusePlace(file: string): void {
  if (!file.endsWith('.onnx')) {
    fail({
      kind: 'usage',
      message: `expected a file that ends in .onnx, got "${file}"`,
      where: '--out',
      help: 'for example --out model.onnx',
    })
  }
  const folder = dirname(file)
  if (kindOf(folder) !== 'folder') {
    fail({
      kind: 'usage',
      message: `there is no folder ${folder} to write the model into`,
      where: file,
      help: 'create the folder, or choose another file with --out',
    })
  }
}
