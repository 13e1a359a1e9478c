import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { planCommand } from '../src/cli/sweep-plan.ts'
import { resolveConfig } from '../src/config/config.ts'
import { openDataset, openDetectionDataset } from '../src/data/index.ts'
import { encodeSafetensors } from '../src/files/safetensors.ts'
import { writeRecord } from '../src/sweep/sweep-folder.ts'
import { detectionIdentity, identityOf } from '../src/tasks/data-identity.ts'
import { writeTinyCifar } from './tiny.ts'
import { writeTinyCoco } from './tiny-detection.ts'
import { writeTinyMultiLabel } from './tiny-multi-label.ts'
import { detectorState, smallDetector } from './untrained-detector.ts'
import { randomState, writeRun } from './untrained-run.ts'

/**
 * The working folder of a reader who followed the docs: small data, untrained runs, and sweeps with
 * synthetic results, all under the names in the docs. Relative paths, as in the docs.
 *
 * @param sweep - the text of a sweep's file
 */
export async function fillReadersFolder(sweep: string): Promise<void> {
  writeTinyCifar('data', { train: 32, test: 16 })
  cpSync('data', join('shared', 'data'), { recursive: true })
  await writeTinyCoco('coco', { train: 4, test: 2 })
  await writeTinyMultiLabel('photos', { train: 4, val: 2 })
  const picture = async (file: string): Promise<unknown> =>
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#c33' } }).toFile(file)
  for (const folder of ['pictures/cat', 'pictures/dog', 'val2017', 'examples/browser/public']) {
    mkdirSync(folder, { recursive: true })
    for (const name of ['1.png', '2.png']) await picture(join(folder, name))
  }
  for (const file of ['photo.jpg', 'photo.png', 'street.jpg']) await picture(file)
  writeFileSync('queue.url', 'redis://HOST\n')
  writeWeights()
  writeFileSync('rates.json', sweep)
  writeFileSync('grid.json', sweep.replace('"rates"', '"grid"').replace('cifar100-small', 'sample'))
  writeDetections()
  await writeClassifiers()
  await writeDetector()
  await writeSweep('small/cifar100', join('sweeps', 'small-cifar100'))
  await writeSweep('controls/narrow', join('sweeps', 'controls-narrow'))
  await writeSweep('rates.json', join('sweeps', 'rates'))
}

/** A narrow network under the name of torchvision's; its format is known by its content. */
function writeWeights(): void {
  const config = resolveConfig(
    { model: { width: 4, stem: 'imagenet' }, data: { name: 'folder', directory: '.' } },
    'test',
  )
  writeFileSync('resnet18.pth', encodeSafetensors(randomState(config, 10)))
}

/** Annotations, and what somebody's detector made of them. */
function writeDetections(): void {
  const text = readFileSync(join('coco', 'instances_val.json'), 'utf8')
  const { annotations } = JSON.parse(text) as { annotations: Record<string, unknown>[] }
  const found = annotations.map(({ image_id, category_id, bbox }) => ({
    image_id,
    category_id,
    bbox,
    score: 0.9,
  }))
  for (const file of ['annotations.json', 'instances_val2017.json']) writeFileSync(file, text)
  for (const file of ['found.json', 'detections.json']) writeFileSync(file, JSON.stringify(found))
}

async function writeClassifiers(): Promise<void> {
  const config = resolveConfig(
    {
      data: { name: 'cifar100', directory: 'data' },
      model: { width: 4, moe: [{ position: 4, style: 'resblock', experts: 4, k: 2 }] },
      training: { batch: 16 },
      engine: { threads: 1 },
    },
    'test',
  )
  const dataset = await openDataset(config.data)
  const state = randomState(config, dataset.classes.length)
  for (const name of ['sample-1', 'sample-2'])
    writeRun(join('runs', name), config, { state, data: identityOf(dataset) })
}

async function writeDetector(): Promise<void> {
  // Each expert more, and each head, is a few programs more for `explain`.
  const mixture = { heads: 'regression', experts: 2, k: 2 }
  const small = smallDetector({ mixture }, {}, { directory: 'coco' })
  const config = { ...small, engine: { ...small.engine, threads: 1 } }
  const dataset = await openDetectionDataset({ name: 'coco', directory: 'coco', size: 64 })
  const state = detectorState(config, undefined, dataset.classes.length)
  writeRun(join('runs', 'scenes-1'), config, { state, data: detectionIdentity(dataset) })
}

/** A sweep of which every run is finished. */
async function writeSweep(file: string, folder: string): Promise<void> {
  const { plan, record } = await planCommand(file, { out: folder })
  mkdirSync(folder, { recursive: true })
  writeRecord(folder, record)
  for (const [i, { name, config }] of plan.runs.entries()) {
    const layer = {
      name: 'layer4',
      importance: [0.5, 0.3, 0.1, 0.1],
      cvImportance: 0.7,
      cvActivation: 0.2,
      active: 4,
    }
    const summary = { interrupted: false, top1: 0.5 + i / 100, top5: 0.9, seconds: 60, layers: [layer] }
    mkdirSync(join(folder, name), { recursive: true })
    writeFileSync(join(folder, name, 'config.json'), JSON.stringify(config))
    writeFileSync(join(folder, name, 'summary.json'), JSON.stringify(summary))
  }
}
