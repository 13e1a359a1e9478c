import { basename, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { visibleJson } from '../base/escaping.ts'
import { nearest } from '../config/shape.ts'
import type { ExportOptions, ExportSummary } from '../export/index.ts'
import { readableBytes } from '../files/disk.ts'
import type { TensorSpec } from '../graph/program.ts'
import { type Latency, writeLatency } from '../run/latency.ts'
import { checkpointChoice } from './checkpoint-flags.ts'
import type { ExportFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { requireWithin, wholeNumber } from './run-flags.ts'
import { clean, type Paint, painter } from './screen.ts'
import { endedBySignal } from './signals.ts'

const routings = ['sparse', 'dense'] as const

/** `moiety export`; returns the exit code. */
export async function runExport(run: string, flags: ExportFlags): Promise<number> {
  const options = exportOptions(run, flags)
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  if (threads !== undefined && flags.measure !== true)
    fail({
      kind: 'usage',
      message: 'expected --measure with --threads, as the file has no number of threads',
      where: '--threads',
      help: 'add --measure, or leave --threads out',
    })
  if (flags.safetensors === true) requireWithin(run, usualHub(run))
  const { exportRun, measureLatency } = await import('../export/index.ts')
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const summary = await exportRun({ ...options, signal, onEvent: progress.show })
      const { checkpoint, weights } = options
      const latency =
        flags.measure === true
          ? await measureLatency({ run, checkpoint, weights, threads, signal, onEvent: progress.show })
          : undefined
      if (latency !== undefined) writeLatency(run, latency)
      progress.end()
      if (flags.json) return printJson(latency === undefined ? summary : { ...summary, latency })
      const paint = painter(process.stdout)
      print(
        [
          exportReport(summary, paint),
          ...(latency === undefined ? [] : [latencyReport(latency, paint)]),
        ].join('\n\n'),
      )
    })
  } finally {
    progress.end()
  }
}

const usualHub = (run: string): string => join(run, 'hub')

/** @throws MoietyError of kind `usage` for a flag with a value that it does not take */
export function exportOptions(run: string, flags: ExportFlags): ExportOptions {
  const { out, batch, uint8 = false, channelsLast = false, safetensors } = flags
  const routing = routings.find(kind => kind === flags.routing)
  if (routing === undefined) {
    const guess = nearest(flags.routing, routings)
    return fail({
      kind: 'usage',
      message: `expected sparse or dense, came "${flags.routing}"`,
      where: '--routing',
      help:
        guess === undefined ? 'leave it out to compute the chosen experts only' : `did you mean ${guess}?`,
    })
  }
  return {
    run,
    routing,
    uint8,
    channelsLast,
    ...checkpointChoice(flags),
    ...(out === undefined ? {} : { out }),
    ...(batch === undefined ? {} : { batch: batchOf(batch) }),
    ...(safetensors === undefined ? {} : { hub: safetensors === true ? usualHub(run) : safetensors }),
  }
}

function batchOf(text: string): number | null {
  if (text === 'N') return null
  const value = Number(text)
  if (/^\d{1,5}$/.test(text) && value >= 1) return value
  return fail({
    kind: 'usage',
    message: `expected a whole number from 1, or N for any number of images, came "${text}"`,
    where: '--batch',
    help: 'for example --batch 8',
  })
}

/** What was written, what it takes and gives, and how to run it. */
export function exportReport(summary: ExportSummary, paint: Paint): string {
  const { file, bytes, opset, irVersion, inputs, outputs, others, batchNorms, metadata, hubFiles } = summary
  const { layers, normalisation, input, task } = metadata
  const notes = new Map<string, string>([
    [input.name, inputNote(summary)],
    [
      'logits',
      task === 'multi-label-image-classification'
        ? 'one a class; its sigmoid is the probability'
        : 'one a class; classes are in the metadata',
    ],
    ['boxes', 'x1, y1, x2, y2 in pixels of the canvas'],
    ['scores', `above ${metadata.detection?.score}`],
    ['labels', 'places among the classes of the metadata'],
    ['image', 'which of the N'],
    ...layers.map(
      ({ output, k, experts }) => [output, `how much each expert counts, ${k} of ${experts}`] as const,
    ),
  ])
  const specs = [...inputs, ...outputs].map(spec => [spec.name, describe(spec), notes.get(spec.name) ?? ''])
  const widths = [0, 1].map(column => Math.max(...specs.map(row => row[column]!.length)))
  const rows = specs.map(([name, shape, note], i) => {
    const kind = i < inputs.length ? 'in ' : 'out'
    const row = `  ${kind}  ${clean(name!).padEnd(widths[0]!)}  ${shape!.padEnd(widths[1]!)}  ${paint.dim(note!)}`
    return row.trimEnd()
  })
  return [
    `${paint.bold(clean(file))}   ${readableBytes(bytes)}   ONNX operator set ${opset}, file format ${irVersion}`,
    ...others.map(
      other =>
        `${paint.bold(clean(other.file))}   ${readableBytes(other.bytes)}   the same for the other canvas`,
    ),
    `Of the checkpoint at ${clean(summary.checkpoint)}.`,
    rows.join('\n'),
    `${batchNorms.folded} of ${batchNorms.folded + batchNorms.left} BatchNorms are part of a convolution.`,
    ...(normalisation === undefined
      ? [paint.warn('How images are normalised is not known; see the message above.')]
      : []),
    `Run it:\n${snippet(summary)}`,
    ...(hubFiles.length === 0
      ? []
      : [`For a model hub:\n${hubFiles.map(one => `  ${clean(one)}`).join('\n')}`]),
  ].join('\n\n')
}

/** A line for each form that was measured. */
export function latencyReport({ threads, rounds, processor, forms }: Latency, paint: Paint): string {
  const table = borderless(['routing', 'images at once', 'ms', 'ms an image', 'least', 'most'], paint, [
    'left',
    ...new Array<'right'>(5).fill('right'),
  ])
  for (const { routing, batch, median, least, most } of forms)
    table.push([
      routing,
      String(batch),
      ...[median, median / batch, least, most].map(value => value.toPrecision(3)),
    ])
  return [
    `Latency: ${threads} thread${threads === 1 ? '' : 's'} of ${clean(processor)}, medians of ${rounds} runs`,
    table.toString().replaceAll(/^/gm, ' '),
  ].join('\n')
}

function inputNote({ metadata: { input, normalisation } }: ExportSummary): string {
  if (input.dtype === 'uint8') return 'pixels from 0 to 255, RGB'
  if (normalisation === undefined) return 'RGB'
  const list = (values: readonly number[]): string => values.map(value => value.toFixed(3)).join(', ')
  return `(RGB / 255 − [${list(normalisation.mean)}]) / [${list(normalisation.std)}]`
}

function describe({ dtype, shape }: TensorSpec): string {
  return `${dtype} [${shape.join(', ')}]`
}

function snippet({ file, metadata: { input, task }, inputs }: ExportSummary): string {
  const wanted = task === 'object-detection' ? 'boxes, scores, labels' : 'logits'
  const shape = inputs[0]!.shape.map(extent => (typeof extent === 'number' ? extent : 1))
  return [
    `  const session = await InferenceSession.create(${visibleJson(basename(file))})   // of onnxruntime-node or -web`,
    `  const { ${wanted} } = await session.run({ ${input.name}: new Tensor('${input.dtype}', pixels, [${shape.join(', ')}]) })`,
  ]
    .map(clean)
    .join('\n')
}
