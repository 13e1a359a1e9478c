import { basename, extname, join, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import { type PredictOptions, predictRun } from '../predict/predict-run.ts'
import { type Figure, mostPictures, type PredictedImage, type Predictions } from '../predict/predictor.ts'
import { type Prediction, predictorOf } from '../predict/predictors.ts'
import { predictionPicture } from '../report/detection/drawn-boxes.ts'
import { renderPredictions } from '../report/prediction-page.ts'
import { checkpointChoice } from './checkpoint-flags.ts'
import { deviceChoice } from './device-flag.ts'
import type { PredictFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import {
  dataChoice,
  requireFile,
  requireFolder,
  requireRun,
  requireWithin,
  wholeNumber,
} from './run-flags.ts'
import { bar, clean, columns, type Paint, painter, percent, truncate, wrap } from './screen.ts'
import { endedBySignal } from './signals.ts'

const barWidth = 24
const mostRows = 24

/** Where `moiety predict` writes. */
interface Outputs {
  readonly page: string
  /** Of the pictures. */
  readonly folder: string
  readonly coco: string | undefined
}

/** `moiety predict`; returns the exit code. */
export async function runPrediction(
  run: string,
  images: readonly string[],
  flags: PredictFlags,
): Promise<number> {
  requireRun(run)
  const request = await requestOf(run, images, flags)
  const outputs = outputsOf(run, images, flags)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const predictions = await predictRun({ ...request, signal, onEvent: progress.show })
      const shown = predictions.images.slice(0, mostPictures)
      const files = shown.map(({ path }, i) =>
        join(outputs.folder, `${i + 1}-${basename(path, extname(path))}.png`),
      )
      const inputs = new Set(predictions.images.map(({ path }) => resolve(path)))
      for (const file of files) requireFile(file, inputs.has(resolve(file)) ? [file] : [])
      const pictures: Uint8Array[] = []
      for (const image of shown) {
        signal.throwIfAborted()
        pictures.push(await predictionPicture(image, predictions))
        progress.show({
          kind: 'progress',
          what: 'drawing pictures',
          done: pictures.length,
          total: shown.length,
        })
      }
      const page = renderPredictions(predictions, pictures)
      signal.throwIfAborted()
      progress.end()
      replaceFiles(nodeDisk, [
        ...files.map((path, i) => ({ path, bytes: pictures[i]! })),
        { path: outputs.page, bytes: page },
        ...(outputs.coco === undefined ? [] : [{ path: outputs.coco, bytes: cocoResults(predictions) }]),
      ])
      if (flags.json) printJson(jsonOf(predictions, files))
      else print(textOf(predictions, outputs, painter(process.stdout)))
    })
  } finally {
    progress.end()
  }
}

async function requestOf(
  run: string,
  images: readonly string[],
  flags: PredictFlags,
): Promise<PredictOptions> {
  return {
    run,
    images,
    unreadable: flags.skipUnreadable ? 'skip' : 'stop',
    top: wholeNumber(flags.top, '--top', 1, 'for example --top 5'),
    neighbours: wholeNumber(flags.neighbours, '--neighbours', 0, 'for example --neighbours 8'),
    data: await dataChoice(flags.data),
    ...checkpointChoice(flags),
    score: scoreOf(flags.score),
    coco: flags.coco === undefined ? undefined : true,
    device: deviceChoice(flags.device),
    threads: wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2'),
  }
}

/** @throws MoietyError `usage`, `disk` for a place that cannot be written */
function outputsOf(run: string, images: readonly string[], { out, coco }: PredictFlags): Outputs {
  const page = out ?? join(run, 'prediction.html')
  const folder = extname(page) === '' ? `${page}-pictures` : page.slice(0, -extname(page).length)
  requireFile(page, images)
  requireFolder(folder)
  if (out === undefined) requireWithin(run, folder)
  if (coco !== undefined) requireFile(coco, images)
  return { page, folder, coco }
}

function scoreOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^[\d.]+$/.test(text) && value >= 0 && value < 1) return value
  return fail({
    kind: 'usage',
    message: `expected a score from 0 up to but not 1, came "${text}"`,
    where: '--score',
    help: 'for example --score 0.3',
  })
}

/** One detection a line, scores and boxes in full. */
function cocoResults({ detections = [] }: Predictions<Prediction>): string {
  const lines = detections.map(({ imageId, categoryId, box, score }) =>
    JSON.stringify({ image_id: imageId, category_id: categoryId, bbox: box, score }),
  )
  return `[${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`}]\n`
}

function jsonOf(
  { images, detections: _, ...others }: Predictions<Prediction>,
  files: readonly string[],
): object {
  return { ...others, images: images.map((image, i) => ({ ...image, picture: files[i] ?? null })) }
}

function textOf(predictions: Predictions<Prediction>, { page, folder, coco }: Outputs, paint: Paint): string {
  const { task, images, skipped, checkpoint, detections = [] } = predictions
  const { figures } = predictorOf(task)
  const left = images.length - mostPictures
  return [
    ...images.map(image => imageText(image, figures(image, predictions), paint)),
    [
      wrap(`Predicted by the checkpoint at ${clean(checkpoint)}.`),
      `The pictures are in ${paint.bold(clean(page))} and, one by one, in ${paint.bold(clean(folder))}`,
      ...(left > 0 ? [`They show the first ${mostPictures} images, not the other ${left}.`] : []),
      ...(skipped.length === 0
        ? []
        : [
            `Left out because they cannot be read: ${skipped.length} of ${images.length + skipped.length} files`,
          ]),
      ...(coco === undefined
        ? []
        : [`COCO results of ${detections.length} detections are in ${paint.bold(clean(coco))}`]),
    ].join('\n'),
  ].join('\n\n')
}

function imageText(
  { path, width, height }: PredictedImage<Prediction>,
  figures: readonly Figure[],
  paint: Paint,
): string {
  const title = `${paint.bold(clean(path))}   ${width}×${height}`
  return [title, ...figures.map(figure => figureText(figure, paint))].join('\n')
}

function figureText(figure: Figure, paint: Paint): string {
  switch (figure.kind) {
    case 'text':
      return `  ${truncate(clean(figure.text), columns - 2)}`
    case 'shares': {
      const table = borderless([...figure.heads, ''], paint, ['left', 'right', 'left'])
      for (const { name, share } of figure.rows)
        table.push([truncate(clean(name), 36), percent(share), bar(share, barWidth)])
      return indented(table.toString())
    }
    case 'experts': {
      const shares = figure.experts.map(({ expert, weight }) => `${expert} (${percent(weight)})`)
      return `  ${clean(figure.layer)}: expert ${shares.join(', ')}`
    }
    case 'table': {
      const { heads, rows } = figure
      const sides = heads.map((_, column) =>
        /^[\d.]+$/.test(String(rows[0]?.[column])) ? ('right' as const) : ('left' as const),
      )
      const table = borderless(heads.map(clean), paint, sides)
      for (const row of rows.slice(0, mostRows))
        table.push(
          row.map(cell => {
            if (typeof cell === 'string') return truncate(clean(cell), 20)
            return cell[0] === undefined ? '' : `e${cell[0].expert} ${percent(cell[0].weight)}`
          }),
        )
      const more = rows.length - mostRows
      return `${indented(table.toString())}${more > 0 ? `\n  and ${more} more` : ''}`
    }
    case 'images': {
      const names = figure.images.map(({ name }) => clean(name)).join(', ')
      const note = figure.note === null ? '' : `\n  ${figure.note}`
      return `  ${truncate(`${figure.title}: ${names}`, columns - 2)}${note}`
    }
  }
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, ' ')
}
