import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import sharp from 'sharp'
import { afterAll, expect, it } from 'vitest'
import { layouts } from './box-layouts.ts'
import { moiety, newFolder, tinyConfig, writeRecipe } from './tiny.ts'
import { tinyDetector } from './tiny-detection.ts'

/** What is made to be shown to others says nothing of where it was made: neither pages and reports nor models and their cards. */
const outer = newFolder()
afterAll(() => rmSync(outer, { recursive: true, force: true }))

const secret = 'somebodys-secret-project'
const home = join(outer, secret)
mkdirSync(home)

/** Files that say where data lie, because a run is resumed by them, and what a user types. */
const own = /(^|\/)config\.json$|^recipe/

async function photos(): Promise<string> {
  for (const [label, name] of ['cat', 'dog'].entries())
    for (let i = 0; i < 12; i++) {
      mkdirSync(join(home, 'photos', name), { recursive: true })
      const background = { r: 20 * i, g: 200 * label, b: 50 }
      const create = { width: 40, height: 30, channels: 3, background } as const
      await sharp({ create })
        .png()
        .toFile(join(home, 'photos', name, `${i}.png`))
    }
  return join(home, 'photos')
}

function recipe(name: string, config: object): string {
  mkdirSync(join(home, name))
  return writeRecipe(join(home, name), config)
}

async function done(...words: string[]): Promise<void> {
  const { code, stderr } = await moiety(...words)
  expect(code, `${words.join(' ')}: ${stderr}`).toBe(0)
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))

it('nothing that is shown to others has a private path', async () => {
  const at = (...names: string[]): string => join(home, ...names)
  const { data: _, ...classifier } = tinyConfig('')
  const { data: __, ...detector } = tinyDetector('', null)
  const training = { epochs: 1, batch: 8 }
  const recipes = {
    classifier: recipe('recipe', { ...classifier, training }),
    detector: recipe('recipe of boxes', { ...detector, data: { name: 'boxes', size: 64 } }),
  }
  const data = { classifier: await photos(), detector: at('boxes') }
  await layouts['YOLO of Ultralytics']!.write(data.detector)
  for (const kind of ['classifier', 'detector'] as const) {
    const run = at(`run of ${kind}`)
    await done('train', recipes[kind], '--data', data[kind], '--out', run)
    await done('explain', run)
    await done('export', run, '--safetensors')
    const image = kind === 'classifier' ? at('photos', 'cat', '0.png') : at('boxes', 'images', 'val', 'e.jpg')
    await done('predict', run, image, '--out', at(`seen by ${kind}.html`))
    await done('data', 'check', data[kind], '--out', at(`check of ${kind}.html`))
  }
  const another = at('run from weights')
  const from = ['--set', `model.weights=${at('run of classifier', 'hub', 'model.safetensors')}`]
  await done('train', recipes.classifier, '--data', data.classifier, '--out', another, ...from)
  await done('export', another)
  await done('compare', at('run of classifier'), another, '--out', at('compared.html'))
  const files = filesBelow(home).filter(file => !own.test(file))
  for (const made of [
    'model.onnx',
    'hub/README.md',
    'report.html',
    'report.json',
    'summary.json',
    'routing.parquet',
  ])
    for (const kind of ['classifier', 'detector']) expect(files).toContain(join(`run of ${kind}`, made))
  const telling = files.filter(file => readFileSync(at(file), 'latin1').includes(secret))
  expect(telling).toEqual([])
  // What would be found: the configuration, by which a run is resumed, does say where its data lie.
  expect(readFileSync(at('run of detector', 'config.json'), 'latin1')).toContain(secret)
})
