/**
 * Times opening and loading a folder of images, on a tree that it draws:
 *
 *     node dist/bench/data-loading.js tree DIR [--images 50000] [--side 48] [--classes 100] [--links]
 *     node dist/bench/data-loading.js open DIR [--size 32] [--cache DIR]
 *     node dist/bench/data-loading.js load DIR [--size 224] [--images 2000] [--batch 64] [--cache DIR]
 *
 * `--links` makes all images of a class links to its first one, which is fast for a million. `/usr/bin/time -v` gives the memory of
 * each; what it takes is also the last line.
 */
import { linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openDataset } from 'moiety/data'
import sharp from 'sharp'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string' },
    side: { type: 'string', default: '48' },
    classes: { type: 'string', default: '100' },
    size: { type: 'string' },
    batch: { type: 'string', default: '64' },
    cache: { type: 'string', default: 'off' },
    links: { type: 'boolean', default: false },
  },
})

const [what, directory] = positionals
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(2)} s`

/** A JPEG of blurred noise, which is as large as one of a photograph of that size. */
async function drawn(side: number): Promise<Buffer> {
  const coarse = Math.max(2, Math.round(side / 6))
  const noise = Uint8Array.from({ length: 3 * coarse * coarse }, () => Math.random() * 256)
  return await sharp(noise, { raw: { width: coarse, height: coarse, channels: 3 } })
    .resize(side, side)
    .jpeg({ quality: 90 })
    .toBuffer()
}

async function drawTree(to: string): Promise<void> {
  const [images, side, classes] = [
    Number(values.images ?? 50_000),
    Number(values.side),
    Number(values.classes),
  ]
  for (let at = 0; at < classes; at++) {
    const folder = join(to, `class${String(at).padStart(4, '0')}`)
    mkdirSync(folder, { recursive: true })
    const first = join(folder, '0.jpg')
    writeFileSync(first, await drawn(side))
    for (let image = 1; image < Math.ceil((images - at) / classes); image++) {
      const path = join(folder, `${image}.jpg`)
      if (values.links) linkSync(first, path)
      else writeFileSync(path, await drawn(side))
    }
  }
}

async function opened(from: string, size: number) {
  let stage = ''
  const since = performance.now()
  const dataset = await openDataset(
    { name: 'folder', directory: from, size, cache: values.cache },
    progress => {
      if (progress.what !== stage) console.error(`${seconds(since)}: ${progress.what}`)
      stage = progress.what
    },
  )
  console.log(`opened in ${seconds(since)}: ${dataset.title}`)
  for (const notice of dataset.notices ?? []) console.log(notice)
  return dataset
}

/** Two epochs in batches: the first decodes, the second has the pixels. */
async function load(from: string): Promise<void> {
  const { train } = await opened(from, Number(values.size ?? 224))
  const images = Math.min(train.length, Number(values.images ?? 2000))
  const batch = Number(values.batch)
  for (const epoch of ['first', 'second']) {
    const since = performance.now()
    for (let first = 0; first < images; first += batch)
      await train.load(Array.from({ length: Math.min(batch, images - first) }, (_, i) => first + i))
    const rate = (1000 * images) / (performance.now() - since)
    console.log(`${epoch} epoch: ${Math.round(rate)} images/s`)
  }
}

if (directory === undefined) throw new Error('data-loading.js tree|open|load DIR')
const began = performance.now()
if (what === 'tree') await drawTree(directory)
else if (what === 'open') await opened(directory, Number(values.size ?? 32))
else await load(directory)
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
console.log(
  `${seconds(began)} in all, ${((userCPUTime + systemCPUTime) / 1e6).toFixed(2)} s of the processors, ${Math.round(maxRSS / 1000)} MB`,
)
