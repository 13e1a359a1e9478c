import { basename, extname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import type { SeenImage, Sightings } from '../predict/index.ts'
import type { PredictFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { requireFile, requireFolder, requireWithin, wholeNumber } from './run-flags.ts'
import { clean, type Paint, painter, percent, truncate } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** Pictures are drawn of so many images, the first ones; a page with more would not open. */
const mostPictures = 100

/** `moiety predict` of a detector; returns the exit code. */
export async function runDetections(
  run: string,
  images: readonly string[],
  flags: PredictFlags,
): Promise<number> {
  refuseFlags(flags)
  const score = scoreOf(flags.score)
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const out = flags.out ?? join(run, 'prediction.html')
  const folder = extname(out) === '' ? `${out}-pictures` : out.slice(0, -extname(out).length)
  requireFile(out, images)
  requireFolder(folder)
  if (flags.out === undefined) requireWithin(run, folder)
  if (flags.coco !== undefined) requireFile(flags.coco, images)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const { detectRun } = await import('../predict/index.ts')
      const { colouringLayer, drawnBoxes } = await import('../report/detection/drawn-boxes.ts')
      const { renderDetections } = await import('../report/detection-page.ts')
      const sightings = await detectRun({
        run,
        images,
        signal,
        onEvent: progress.show,
        ...(score === undefined ? {} : { score }),
        ...(threads === undefined ? {} : { threads }),
      })
      const layer = colouringLayer(sightings.layers)
      const drawn = sightings.images.slice(0, mostPictures)
      const pictures: Uint8Array[] = []
      for (const [i, image] of drawn.entries()) {
        signal.throwIfAborted()
        pictures.push(await drawnBoxes(image, layer))
        progress.show({ kind: 'progress', what: 'drawing boxes', done: i + 1, total: drawn.length })
      }
      const coloured = sightings.layers[layer]?.name
      const page = renderDetections({ sightings, pictures, coloured })
      signal.throwIfAborted()
      progress.end()
      const files = drawn.map((image, i) => join(folder, pictureName(image, i)))
      replaceFiles(nodeDisk, [
        ...files.map((path, i) => ({ path, bytes: pictures[i]! })),
        { path: out, bytes: page },
        ...(flags.coco === undefined ? [] : [{ path: flags.coco, bytes: cocoResults(sightings) }]),
      ])
      if (flags.json) return printJson(document(sightings, files))
      const paint = painter(process.stdout)
      const left = sightings.images.length - drawn.length
      print(
        [
          ...sightings.images.map(image => described(image, sightings, paint)),
          [
            `The pictures are in ${paint.bold(clean(out))} and, one by one, in ${paint.bold(clean(folder))}`,
            ...(left === 0 ? [] : [`Drawn are the first ${mostPictures} images; ${left} more are not.`]),
            ...(flags.coco === undefined
              ? []
              : [
                  `COCO results of ${sightings.results.length} detections are in ${paint.bold(clean(flags.coco))}`,
                ]),
          ].join('\n'),
        ].join('\n\n'),
      )
    })
  } finally {
    progress.end()
  }
}

/** Flags that only say something to classifiers. */
function refuseFlags(flags: PredictFlags): void {
  const flag = (['top', 'neighbours', 'data'] as const).find(one => flags[one] !== undefined)
  if (flag === undefined) return
  fail({
    kind: 'usage',
    message: `--${flag} is for classifiers, but the run is a detector`,
    where: `--${flag}`,
    help: 'leave it out; --score says how certain a detection must be',
  })
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

/** `1-photo.png`: no two images have the same, whatever folders they come from. */
function pictureName({ path }: SeenImage, i: number): string {
  return `${i + 1}-${basename(path, extname(path))}.png`
}

/** One detection a line, scores and boxes in full. */
function cocoResults({ results }: Sightings): string {
  const lines = results.map(({ imageId, categoryId, box, score }) =>
    JSON.stringify({ image_id: imageId, category_id: categoryId, bbox: box, score }),
  )
  return `[${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`}]\n`
}

function document({ images, results: _, ...others }: Sightings, files: readonly string[]): object {
  return {
    ...others,
    images: images.map(({ path, id, width, height, objects }, i) => ({
      path,
      id,
      width,
      height,
      picture: files[i] ?? null,
      objects,
    })),
  }
}

const mostRows = 24

function described({ path, width, height, objects }: SeenImage, { layers, score }: Sightings, paint: Paint) {
  const title = `${paint.bold(clean(path))}   ${width}×${height}`
  if (objects.length === 0) return `${title}\n  nothing with a score above ${score}`
  const table = borderless(
    ['class', 'score', 'x', 'y', 'width', 'height', 'level', ...layers.map(({ name }) => headName(name))],
    paint,
    ['left', 'right', 'right', 'right', 'right', 'right', 'left', ...layers.map(() => 'left' as const)],
  )
  for (const one of objects.slice(0, mostRows))
    table.push([
      truncate(clean(one.name), 20),
      one.score.toFixed(2),
      ...one.box.map(side => side.toFixed(0)),
      `P${one.level}`,
      ...one.experts.map(([first]) =>
        first === undefined ? '' : `e${first.expert} ${percent(first.weight)}`,
      ),
    ])
  const more = objects.length - mostRows
  return [title, table.toString().replaceAll(/^/gm, ' '), ...(more > 0 ? [`  and ${more} more`] : [])].join(
    '\n',
  )
}

/** `classification` of `head.classification_head`. */
function headName(layer: string): string {
  return clean(layer.replace(/^head\./, '').replace(/_head(\..*)?$/, ''))
}
