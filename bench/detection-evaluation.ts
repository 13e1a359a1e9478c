import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Table from 'cli-table3'
import { type Draws, draws } from 'moiety'
import { readCocoAnnotations, readCocoResults } from 'moiety/data'
import { evaluateDetections } from 'moiety/metrics'
import { type Timing, timing } from './statistics.js'

/**
 * Times the evaluation of detections on as much as COCO's validation images have, and pycocotools on the same files:
 * 5,000 images of 80 categories with 36,000 objects, and 100 detections an image. Nothing of it is COCO; two runs
 * make the same files.
 */
const size = { images: 5000, categories: 80, objects: 36_000, detections: 500_000 } as const

/** What one run of `--detections` measures, in seconds. */
export interface DetectionBench {
  readonly ours: { readonly reading: Timing; readonly evaluating: Timing }
  readonly peer: { readonly version: string; readonly reading: Timing; readonly evaluating: Timing } | null
  /** The largest difference between the twelve numbers of both. */
  readonly difference: number | null
  readonly size: typeof size
  readonly mebibytes: number
  readonly loadAverage: number
}

interface Options {
  readonly python?: string
  readonly rounds: number
  readonly warmup: number
}

interface PeerLine {
  readonly version: string
  readonly reading: number
  readonly evaluating: number
  readonly stats: readonly number[]
}

type Rectangle = readonly [number, number, number, number]

/** Ids have gaps, as COCO's have. */
const categoryId = (k: number): number => k + 1 + Math.floor(k / 8)

function rectangle(random: Draws): Rectangle {
  const side = 8 * 2 ** random.between(0, 5.5)
  const [width, height] = [side * random.between(0.6, 1.6), side * random.between(0.6, 1.6)]
  return [random.between(0, 640), random.between(0, 480), width, height]
}

const moved = (random: Draws, [x, y, w, h]: Rectangle): Rectangle => [
  x + w * 0.1 * random.normal(),
  y + h * 0.1 * random.normal(),
  w * Math.exp(0.1 * random.normal()),
  h * Math.exp(0.1 * random.normal()),
]

const rounded = (box: Rectangle): number[] => box.map(side => Math.round(100 * side) / 100)

/** Writes annotations and detections. A few categories are common and most are rare, as in COCO. */
function writeCase(folder: string): { annotations: string; detections: string } {
  const common = (random: Draws): number => Math.floor(size.categories * random.uniform() ** 2)
  const objects = Array.from({ length: size.objects }, (_, i) => {
    const random = draws(1, 'bench.objects', i)
    const box = rectangle(random)
    const area = box[2] * box[3] * random.between(0.5, 1)
    return { image: random.below(size.images), category: common(random), box, area, crowd: i % 80 === 0 }
  })
  const inImage = Array.from({ length: size.images }, (): typeof objects => [])
  for (const object of objects) inImage[object.image]!.push(object)
  const found = Array.from({ length: size.detections }, (_, i) => {
    const random = draws(1, 'bench.detections', i)
    const image = i % size.images
    const near = inImage[image]?.[Math.floor(i / size.images)]
    const score = near === undefined ? random.uniform() ** 2 : random.uniform() ** 0.5
    return {
      image_id: image + 1,
      category_id: categoryId(near?.category ?? common(random)),
      bbox: rounded(near === undefined ? rectangle(random) : moved(random, near.box)),
      score: Math.round(1000 * score) / 1000,
    }
  })
  const files = { annotations: join(folder, 'annotations.json'), detections: join(folder, 'detections.json') }
  const truth = {
    images: Array.from({ length: size.images }, (_, i) => ({
      id: i + 1,
      file_name: `${i}.jpg`,
      width: 640,
      height: 480,
    })),
    categories: Array.from({ length: size.categories }, (_, k) => ({
      id: categoryId(k),
      name: `category ${k}`,
    })),
    annotations: objects.map(({ image, category, box, area, crowd }, i) => ({
      id: i + 1,
      image_id: image + 1,
      category_id: categoryId(category),
      bbox: rounded(box),
      area,
      iscrowd: crowd ? 1 : 0,
    })),
  }
  writeFileSync(files.annotations, JSON.stringify(truth))
  writeFileSync(files.detections, JSON.stringify(found))
  return files
}

function peerLine(python: string, files: { annotations: string; detections: string }): PeerLine {
  const script = fileURLToPath(new URL('../../bench/pycocotools/peer.py', import.meta.url))
  const { status, stdout, stderr } = spawnSync(python, [script, files.annotations, files.detections], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`pycocotools: ${stderr}`)
  return JSON.parse(stdout)
}

/** Reads and evaluates the same two files, in turn with pycocotools where a Python with it is given. */
export function measureDetections({ python, rounds, warmup }: Options): DetectionBench {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-detections-'))
  try {
    const files = writeCase(folder)
    const seconds = { reading: [] as number[], evaluating: [] as number[] }
    const peers: PeerLine[] = []
    let stats: readonly (number | null)[] = []
    for (let round = -warmup; round < rounds; round++) {
      const start = performance.now()
      const truth = readCocoAnnotations(files.annotations)
      const detections = readCocoResults(files.detections, truth)
      const read = performance.now()
      const evaluation = evaluateDetections(truth, detections)
      const end = performance.now()
      stats = Object.values<number | null>({ ...evaluation.stats })
      if (round < 0) continue
      seconds.reading.push((read - start) / 1000)
      seconds.evaluating.push((end - read) / 1000)
      if (python !== undefined) peers.push(peerLine(python, files))
    }
    const peer = peers[0]
    return {
      ours: { reading: timing(seconds.reading), evaluating: timing(seconds.evaluating) },
      peer:
        peer === undefined
          ? null
          : {
              version: peer.version,
              reading: timing(peers.map(({ reading }) => reading)),
              evaluating: timing(peers.map(({ evaluating }) => evaluating)),
            },
      difference:
        peer === undefined
          ? null
          : Math.max(...peer.stats.map((value, i) => Math.abs(value - (stats[i] ?? -1)))),
      size,
      mebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
      loadAverage: loadavg()[0]!,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** One table: reading and evaluating, ours and pycocotools'. */
export function describeDetections({
  ours,
  peer,
  difference,
  mebibytes,
  loadAverage,
}: DetectionBench): string {
  const table = new Table({
    head: ['500,000 detections', 'ours', 'pycocotools', 'ratio'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const part of ['reading', 'evaluating'] as const) {
    const [own, other] = [ours[part].median, peer?.[part].median]
    table.push([
      part,
      `${own.toFixed(2)} s`,
      other === undefined ? '–' : `${other.toFixed(2)} s`,
      other === undefined ? '–' : `${(other / own).toFixed(1)}×`,
    ])
  }
  const agreement =
    peer === null
      ? ''
      : ` pycocotools ${peer.version}; the twelve numbers differ by at most ${difference?.toExponential(1)}.`
  return `${table.toString()}\nMedians; at most ${mebibytes} MiB, load ${loadAverage.toFixed(1)}.${agreement}`
}
