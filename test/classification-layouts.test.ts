import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { Header } from 'tar'
import { describe, expect, it } from 'vitest'
import { moiety, newFolder, tinyConfig, writeRecipe } from './tiny.ts'

/** What a user gets from images whose classes are in a table or in tar shards, with nothing set but the recipe. */
const folder = newFolder()
const names = ['cat', 'dog'] as const

const image = (label: number, i: number): Promise<Buffer> =>
  sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 9 * i, g: 200 * label, b: 50 } } })
    .png()
    .toBuffer()

const counts = { train: 16, val: 4, test: 4 } as const

async function table(data: string): Promise<void> {
  mkdirSync(join(data, 'images'), { recursive: true })
  const lines = ['image;class;set']
  for (const [split, count] of Object.entries(counts))
    for (let i = 0; i < count; i++) {
      writeFileSync(join(data, 'images', `${split}${i}.png`), await image(i % 2, i))
      lines.push(`images/${split}${i}.png;${names[i % 2]};${split}`)
    }
  writeFileSync(join(data, 'photos.csv'), `\ufeff${lines.join('\r\n')}\r\n`)
}

async function shards(data: string): Promise<void> {
  mkdirSync(data)
  for (const [split, count] of Object.entries(counts)) {
    const blocks: Buffer[] = []
    for (let i = 0; i < count; i++)
      for (const [path, bytes] of [
        [`${i}.png`, await image(i % 2, i)],
        [`${i}.cls`, Buffer.from(names[i % 2]!)],
      ] as const) {
        const header = Buffer.alloc(512)
        new Header({ path, size: bytes.length, mode: 0o644, type: 'File' }).encode(header, 0)
        blocks.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512))
      }
    writeFileSync(join(data, `${split}-000000.tar`), Buffer.concat([...blocks, Buffer.alloc(1024)]))
  }
}

/** Text that was broken into lines, in one. */
const flat = (text: string): string => text.replaceAll(/\s+/g, ' ')

describe.each([
  ['a table', table, 'labels are from photos.csv (image, class, set)'],
  ['tar shards', shards, 'images are from 3 tar shards'],
] as const)('%s', (layout, write, said) => {
  it('is trained on, resumed, evaluated, explained and predicted with', async () => {
    const data = join(folder, layout)
    await write(data)
    const place = join(folder, `recipe of ${layout}`)
    mkdirSync(place)
    const { data: _, ...config } = tinyConfig('')
    const recipe = writeRecipe(place, { ...config, training: { epochs: 1, batch: 8 } })
    const run = join(folder, `run of ${layout}`)
    const trained = await moiety('train', recipe, '--data', data, '--out', run)
    expect(trained.code, trained.stderr).toBe(0)
    expect(flat(trained.stderr)).toContain('2 classes, 16 training, 4 validation and 4 test images')
    expect(flat(trained.stderr)).toContain(said)
    const resumed = await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=2')
    expect(resumed.code, resumed.stderr).toBe(0)
    const evaluated = await moiety('eval', run, '--split', 'test', '--json', '--data', data)
    expect(evaluated.code, evaluated.stderr).toBe(0)
    const explained = await moiety('explain', run)
    expect(explained.code, explained.stderr).toBe(0)
    writeFileSync(join(folder, `${layout}.png`), await image(1, 3))
    const predicted = await moiety('predict', run, join(folder, `${layout}.png`), '--json')
    expect(predicted.code, predicted.stderr).toBe(0)
    expect(JSON.parse(predicted.stdout).images).toHaveLength(1)
  })
})
