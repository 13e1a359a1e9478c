import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { writeCarefully } from '../files/careful.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { irVersion, opset, type TensorSpec } from '../graph/index.ts'
import type { TrainEvent } from '../run/events.ts'
import { describeModel } from './describe.ts'
import { writeHub } from './hub.ts'
import { encodeMetadata, type ModelMetadata } from './metadata.ts'
import { exportedModel, type ModelForm, modelFile } from './model.ts'
import { readRun } from './run-facts.ts'

/** Which run to export, in what form, and where to. */
export interface ExportOptions {
  /** The run's folder; its newest checkpoint is exported. */
  readonly run: string
  /** The ONNX file; `model.onnx` in the run's folder when not given. */
  readonly out?: string
  /** Whether only the chosen experts are computed (`sparse`, the default) or all, by a model of fixed shapes. */
  readonly routing?: ModelForm['routing']
  /** How many images at once; null: any number. When not given, any number for `sparse`, and 1 for `dense`. */
  readonly batch?: number | null
  /** Take uint8 pixels and normalise them inside. */
  readonly uint8?: boolean
  /** Take [N, S, S, 3] instead of [N, 3, S, S]. */
  readonly channelsLast?: boolean
  /** A folder for `model.safetensors`, `config.json` and a model card, besides; none when not given. */
  readonly hub?: string
  /** Told what is missing, and how opening the data comes along. */
  readonly onEvent?: (event: TrainEvent) => void
}

/** What was written. */
export interface ExportSummary {
  readonly run: string
  /** Training steps of the checkpoint. */
  readonly step: number
  readonly file: string
  readonly bytes: number
  readonly opset: number
  readonly irVersion: number
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  /** How many BatchNorms became part of a convolution, and how many stay. */
  readonly batchNorms: { readonly folded: number; readonly left: number }
  /** What the file says of itself. */
  readonly metadata: ModelMetadata
  /** What was written for a model hub; empty unless asked for. */
  readonly hubFiles: readonly string[]
}

/**
 * Writes the newest checkpoint of a run as one ONNX file: default domain only, parameters inside, BatchNorm folded where
 * that is exact. Every file is written whole or not at all.
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, or options that do not fit; `data`
 *   where the classes are not known; `disk` for a damaged checkpoint, or a file that cannot be written
 */
export async function exportRun(options: ExportOptions): Promise<ExportSummary> {
  return await exportTo(nodeDisk, options)
}

/** {@link exportRun} to any disk. */
export async function exportTo(disk: Disk, options: ExportOptions): Promise<ExportSummary> {
  const { run, routing = 'sparse', uint8 = false, channelsLast = false, onEvent = () => undefined } = options
  const file = options.out ?? join(run, 'model.onnx')
  const { batch = routing === 'dense' ? 1 : null } = options
  if (options.out !== undefined) refusePlace(options.out)
  refuseBatch(batch)
  const facts = await readRun(run, onEvent)
  const form: ModelForm = { routing, batch, uint8, channelsLast }
  const { config, checkpoint, data } = facts
  const trained = {
    model: config.model,
    classes: data.classes.length,
    size: config.data.size,
    state: checkpoint.state,
    normalisation: data.normalisation,
  }
  const exported = exportedModel(trained, form)
  const { layers, batchNorms, parameters } = exported
  const metadata = describeModel(facts, form, layers)
  const program = modelFile(exported, { name: config.model.name, metadata: encodeMetadata(metadata) })
  writeCarefully(disk, file, program.model)
  const hubFiles =
    options.hub === undefined ? [] : writeHub(options.hub, { metadata, config, parameters }, disk)
  return {
    run,
    step: checkpoint.step,
    file,
    bytes: program.model.length,
    opset,
    irVersion,
    inputs: program.inputs,
    outputs: program.outputs,
    batchNorms,
    metadata,
    hubFiles,
  }
}

function refuseBatch(batch: number | null): void {
  if (batch === null || (Number.isInteger(batch) && batch >= 1)) return
  fail({
    kind: 'usage',
    message: `expected a whole number of images from 1, or null for any number, came ${batch}`,
    where: 'batch',
    help: 'for example 1',
  })
}

/** Before anything slow is done: a file of a run must not be overwritten by mistake, and folders are not made up. */
function refusePlace(file: string): void {
  if (!file.endsWith('.onnx')) {
    fail({
      kind: 'usage',
      message: `expected a file that ends in .onnx, came "${file}"`,
      where: '--out',
      help: 'for example --out model.onnx',
    })
  }
  const folder = dirname(file)
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    fail({
      kind: 'usage',
      message: `there is no folder ${folder} to write the model into`,
      where: file,
      help: 'make the folder, or name another file with --out',
    })
  }
}
