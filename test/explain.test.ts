import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { explainRun } from '../src/analysis/explain-run.ts'
import { findings, groupingOf } from '../src/analysis/findings.ts'
import { writeExplanation } from '../src/cli/explanation-files.ts'
import { nodeDisk } from '../src/files/disk.ts'
import { listCheckpoints, readCheckpoint, writeCheckpoint } from '../src/run/checkpoint.ts'
import { smallDisk } from './fake-disks.ts'
import { type Ended, moiety, newFolder, start, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'

/** What a user gets from explaining, predicting and comparing, and meets when something is wrong. */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'), { test: 64 })
const training = { epochs: 2, batch: 16, keepCheckpoints: 1 }
const layers = [{ constraint: { name: 'importance' } }, { style: 'conv', constraint: { name: 'relative' } }]

async function trained(name: string, config: object): Promise<string> {
  const run = join(folder, name)
  const place = join(folder, `recipe of ${name}`)
  mkdirSync(place)
  const recipe = writeRecipe(place, { ...config, training })
  const { code, stderr } = await moiety('train', recipe, '--out', run)
  expect(code, stderr).toBe(0)
  return run
}

let run = ''
let other = ''
let plain = ''
let explained: Ended
beforeAll(async () => {
  run = await trained('run', tinyConfig(data, layers))
  plain = await trained('plain', tinyConfig(data, []))
  other = copyOf(run, 'other')
  changeWeights(other)
  explained = await moiety('explain', run, '--against', other, '--permutations', '50')
})

function copyOf(from: string, name: string): string {
  const copy = join(folder, name)
  cpSync(from, copy, { recursive: true })
  return copy
}

/** Gives a run another network in place of its own: one to compare with need not be trained. */
function changeWeights(run: string): void {
  const { state, ...record } = readCheckpoint(listCheckpoints(run).at(-1)!.path)
  const changed = new Map(state)
  for (const [name, tensor] of state) {
    if (name.startsWith('optimizer.') || !name.endsWith('.weight')) continue
    if (!(tensor.data instanceof Float32Array)) continue
    changed.set(name, { ...tensor, data: tensor.data.map((value, i) => value * (1 + Math.sin(i) / 2)) })
  }
  writeCheckpoint(run, { ...record, state: changed })
}

const json = (text: string): unknown => JSON.parse(text)
const found = (path: string) => findings.parse(json(readFileSync(join(path, 'report.json'), 'utf8')))

describe('moiety explain', () => {
  it('writes findings, page and table, and says in words what it found', async () => {
    const { code, stdout, stderr } = explained
    expect(code, stderr).toBe(0)
    const report = found(run)
    expect(report.layers.map(({ name, place, count }) => [name, place, count])).toEqual([
      ['layer3', 3, 4],
      ['layer4.1.conv2', 4, 4],
    ])
    for (const layer of report.layers) {
      expect(layer.share.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6)
      expect(layer.variants.byK[1]!.measures.top1, 'K as trained').toBe(report.measures.top1)
      expect(layer.history.map(({ epoch }) => epoch)).toEqual([0, 1])
      expect(layer.agreement?.against).toBe('other')
      expect(layer.attributes.map(({ name }) => name)).toEqual(['colour', 'brightness', 'texture'])
      for (const { information, givenClass, ofClass, classGiven } of layer.attributes) {
        // The chain rule, either way round.
        const both = information!.value + (classGiven?.value ?? 0)
        expect(ofClass!.value + (givenClass?.value ?? 0)).toBeCloseTo(both, 9)
      }
      expect(stdout).toContain(layer.name)
    }
    const page = readFileSync(join(run, 'report.html'), 'utf8').replaceAll(/base64,[\w+/=]+/g, '')
    expect(page).not.toMatch(/NaN|undefined/)
    const { buffer } = Uint8Array.from(readFileSync(join(run, 'routing.parquet')))
    const rows = await parquetReadObjects({ file: buffer })
    expect(rows.length).toBe(2 * 64)
    expect(Object.keys(rows[0]!)).toEqual([
      'image',
      'layer',
      'label',
      'superclass',
      'prediction',
      'logits',
      'weights',
      'chosen',
    ])
    expect(stdout).toContain('report.html')
    expect(stderr).toMatch(/routing images/)
  })

  it('agrees with moiety eval', async () => {
    const { stdout } = await moiety('eval', run, '--json')
    const { measures } = JSON.parse(stdout) as { measures: { top1: number } }
    expect(found(run).measures.top1).toBe(measures.top1)
  })

  it('writes its charts for documents on request', async () => {
    const charts = join(folder, 'charts')
    const words = ['--charts', charts, '--out', join(folder, 'once'), '--permutations', '10']
    expect((await moiety('explain', run, ...words)).code).toBe(0)
    const files = readdirSync(charts, { recursive: true, encoding: 'utf8' })
    for (const end of ['-84mm.svg', '-84mm.pdf', '-174mm.svg', '-174mm.pdf', '.csv']) {
      expect(files).toContain(`layer3-captions${end}`)
      expect(files).toContain(`layer4.1.conv2-superclasses${end}`)
    }
    for (const name of files.filter(one => one.endsWith('.svg'))) {
      const svg = readFileSync(join(charts, name), 'utf8')
      expect(svg, name).toMatch(/^<svg xmlns=/)
      expect(svg, name).not.toMatch(/NaN|undefined|var\(--/)
    }
  })

  it('finds the same each time, byte for byte', async () => {
    // The call for charts was the first.
    const [once, twice] = [join(folder, 'once'), join(folder, 'twice')]
    expect((await moiety('explain', run, '--out', twice, '--permutations', '10')).code).toBe(0)
    for (const file of ['report.json', 'report.html', 'routing.parquet'])
      expect(readFileSync(join(once, file)).equals(readFileSync(join(twice, file))), file).toBe(true)
  })

  it('explains the training images on request, and prints JSON alone on stdout', async () => {
    const words = ['--split', 'train', '--json', '--out', join(folder, 'x'), '--permutations', '10']
    const { code, stdout } = await moiety('explain', run, ...words)
    expect(code).toBe(0)
    expect(findings.parse(json(stdout)).data).toMatchObject({ split: 'train', images: 96 })
  })

  it('says of a network without mixtures that there is no routing', async () => {
    const { code, stdout } = await moiety('explain', plain)
    expect(code).toBe(0)
    expect(stdout).toContain('no mixture of experts')
    expect(found(plain).layers).toEqual([])
    const { buffer } = Uint8Array.from(readFileSync(join(plain, 'routing.parquet')))
    expect(await parquetReadObjects({ file: buffer })).toEqual([])
  })

  it('leaves classes without images blank', async () => {
    const few = writeTinyCifar(join(folder, 'few'), { test: 3 })
    const words = ['--data', few, '--out', join(folder, 'few-out'), '--permutations', '10']
    const { code, stderr } = await moiety('explain', run, ...words)
    expect(code, stderr).toBe(0)
    const report = found(join(folder, 'few-out'))
    expect(report.data.perClass.slice(0, 5)).toEqual([1, 1, 1, 0, 0])
    expect(report.perClass.top1![4]).toBeNull()
    expect(groupingOf(report.layers[0]!, 'class')!.affinity.weight[4]).toEqual([null, null, null, null])
    expect(report.extras).toMatchObject({ layers: [{ map: null }, { map: null }] })
    expect(readFileSync(join(folder, 'few-out', 'report.html'), 'utf8')).not.toMatch(/NaN|undefined/)
  })
})

describe('what is refused, in words', () => {
  it.each([
    ['explain', []],
    ['predict', ['photo.png']],
    ['compare', []],
  ])('%s of a folder that is no run', async (command, words) => {
    const { code, stderr } = await moiety(command, data, ...words)
    expect(code).toBe(2)
    expect(stderr).toMatch(/not a run/)
    expect(stderr).toContain(data)
  })

  it('a run without a checkpoint', async () => {
    const bare = copyOf(run, 'bare')
    rmSync(join(bare, 'checkpoints'), { recursive: true })
    const { code, stderr } = await moiety('explain', bare)
    expect(code).toBe(2)
    expect(stderr).toMatch(/no checkpoint yet/)
  })

  it('a damaged checkpoint', async () => {
    const broken = copyOf(run, 'broken')
    const [checkpoint] = readdirSync(join(broken, 'checkpoints'))
    const file = join(broken, 'checkpoints', checkpoint!, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(file, bytes)
    const { code, stderr } = await moiety('explain', broken)
    expect(code).toBe(5)
    expect(stderr).toMatch(/model\.safetensors/)
    expect(existsSync(join(broken, 'report.json')), 'nothing new').toBe(existsSync(join(run, 'report.json')))
  })

  it('data with other classes', async () => {
    const renamed = writeTinyCifar(join(folder, 'renamed'))
    const names = readFileSync(join(renamed, 'fine_label_names.txt'), 'utf8')
    writeFileSync(join(renamed, 'fine_label_names.txt'), names.replace('class7\n', 'seven\n'))
    const { code, stderr } = await moiety('explain', run, '--data', renamed)
    expect(code).toBe(2)
    expect(stderr).toMatch(/class 7 was "class7".*"seven"/)
  })

  it('a comparison of roles with a run that has no layer there', async () => {
    const { code, stderr } = await moiety('explain', run, '--against', plain)
    expect(code).toBe(2)
    expect(stderr).toMatch(/no mixture of experts at a position/)
  })

  it.each([
    [['--split', 'valid'], /expected train, val or test/],
    [['--permutations', '0'], /whole number from 1/],
    [['--threads', 'two'], /whole number from 1/],
  ])('%j', async (words, message) => {
    const { code, stderr } = await moiety('explain', run, ...words)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })

  it.each([
    ['explain', (file: string) => [run, '--out', file], /expected a folder/],
    ['compare', () => [run, '--out', folder], /expected a file to write/],
    ['predict', () => [run, 'x.png', '--out', folder], /expected a file to write/],
    ['compare', () => [run, '--out', join(run, 'metrics.jsonl')], /than one that a run consists of/],
    ['predict', () => [run, 'x.png', '--out', join(run, 'config.json')], /than one that a run consists of/],
    ['predict', (file: string) => [run, file, '--out', file], /than one that is read/],
  ] as const)(
    '%s into a place that cannot be, before anything is computed',
    async (command, words, message) => {
      const file = join(folder, 'a file')
      writeFileSync(file, '')
      const { code, stderr } = await moiety(command, ...words(file))
      expect(code).toBe(2)
      expect(stderr).toMatch(message)
      expect(stderr).not.toMatch(/routing images/)
    },
  )

  it('a damaged log is said, and the rest is explained', async () => {
    const cut = copyOf(run, 'cut')
    writeFileSync(join(cut, 'metrics.jsonl'), '{"kind": "step"\n{}\n')
    const { code, stderr } = await moiety('explain', cut, '--permutations', '10')
    expect(code).toBe(0)
    expect(stderr).toMatch(/shares over training are left out: .*metrics\.jsonl/)
    expect(found(cut).layers[0]!.history).toEqual([])
  })

  it('a full disk: what was there stays as it was, and nothing half-written is left', async () => {
    const place = join(folder, 'full')
    const explanation = await explainRun({ run, permutations: 1 })
    await writeExplanation(place, explanation)
    const before = readdirSync(place).map(name => [name, readFileSync(join(place, name)).toString('base64')])
    await expect(writeExplanation(place, explanation, smallDisk(nodeDisk, 4096, 10_000))).rejects.toThrow(
      /full/,
    )
    expect(
      readdirSync(place).map(name => [name, readFileSync(join(place, name)).toString('base64')]),
    ).toEqual(before)
  })
})

describe('moiety predict', () => {
  const picture = join(folder, 'picture.png')
  beforeAll(async () => {
    // The first training image as a file: the network should find it again.
    const planes = readFileSync(join(data, 'train.bin')).subarray(2, 2 + 3072)
    const pixels = Uint8Array.from({ length: 3072 }, (_, at) => planes[(at % 3) * 1024 + Math.floor(at / 3)]!)
    await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toFile(picture)
  })

  it('says classes, experts and the training images that are most like it', async () => {
    const { code, stdout, stderr } = await moiety(
      'predict',
      run,
      picture,
      '--json',
      '--neighbours',
      '3',
      '--top',
      '2',
    )
    expect(code, stderr).toBe(0)
    const result = JSON.parse(stdout) as {
      layers: { name: string }[]
      images: {
        path: string
        width: number
        picture: string
        input: object
        prediction: {
          classes: { probability: number }[]
          neighbours: { image: number; similarity: number; sameRoute: boolean }[]
        }
        routing: { experts: { weight: number }[]; logits: number[] }[][]
      }[]
    }
    expect(result).toMatchObject({ task: 'classification', settings: { top: 2, neighbours: 3 } })
    expect(result.layers.map(({ name }) => name)).toEqual(['layer3', 'layer4.1.conv2'])
    const [image] = result.images
    expect(image).toMatchObject({ path: picture, width: 32, input: { width: 32, height: 32 } })
    expect(image!.picture).toBe(join(run, 'prediction', '1-picture.png'))
    expect(await sharp(image!.picture).metadata()).toMatchObject({ width: 480, height: 480 })
    expect(image!.prediction.classes.length).toBe(2)
    expect(image!.routing.length).toBe(2)
    for (const [{ experts, logits }] of image!.routing as [{ experts: { weight: number }[]; logits: [] }][]) {
      expect(experts.reduce((total, { weight }) => total + weight, 0)).toBeCloseTo(1, 5)
      expect(logits.length).toBe(4)
    }
    const { neighbours } = image!.prediction
    expect(neighbours.length).toBe(3)
    expect(neighbours[0]).toMatchObject({ image: 0, sameRoute: true })
    expect(neighbours[0]!.similarity).toBeCloseTo(1, 5)
    // Pictures are left out: base64 may hold any letters.
    const page = readFileSync(join(run, 'prediction.html'), 'utf8').replaceAll(/base64,[\w+/=]+/g, '')
    expect(page).not.toMatch(/NaN|undefined/)
  })

  it('remembers the training images, and notices when the memory is damaged or of another checkpoint', async () => {
    const ask = async (): Promise<string> => {
      const { stdout, stderr } = await moiety('predict', run, picture, '--json')
      return `${stderr.includes('looking at the training images') ? 'looked' : 'knew'} ${stdout}`
    }
    const first = await ask()
    const file = join(run, 'training-features.safetensors')
    expect(first).toMatch(/^(looked|knew) /)
    expect(await ask()).toBe(first.replace('looked', 'knew'))
    writeFileSync(file, readFileSync(file).subarray(0, 1000))
    expect(await ask()).toBe(first.replace('knew', 'looked'))
  })

  it('needs no data where nobody asks for training images', async () => {
    const moved = copyOf(run, 'moved')
    const config = join(moved, 'config.json')
    writeFileSync(config, readFileSync(config, 'utf8').replace(JSON.stringify(data), '"gone"'))
    const asked = await moiety('predict', moved, picture, '--neighbours', '0', '--json')
    expect(asked.code, asked.stderr).toBe(0)
    const whole = await moiety('predict', run, picture, '--json')
    const classes = ({ stdout }: { readonly stdout: string }): unknown =>
      (JSON.parse(stdout) as { images: { prediction: { classes: unknown } }[] }).images[0]!.prediction.classes
    expect(classes(asked)).toEqual(classes(whole))
    expect((await moiety('predict', moved, picture)).code).toBe(3)
  })

  it('speaks in words and bars', async () => {
    const { code, stdout } = await start(['predict', run, picture]).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/layer3: expert \d \(\d+\.\d %\)/)
    expect(stdout).toMatch(/most like it: class/)
    expect(stdout).toContain('prediction.html')
  })

  it('names every image that cannot be read before it computes anything', async () => {
    const text = join(folder, 'text.png')
    writeFileSync(text, 'not a picture')
    const { code, stdout, stderr } = await moiety('predict', run, text, join(folder, 'absent.jpg'), picture)
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toContain('text.png')
    expect(stderr).toMatch(/^ {2}\S.*absent\.jpg: there is no such file/m)
  })
})

describe('moiety compare', () => {
  it('lays runs side by side and explains those that have not been explained', async () => {
    const fresh = copyOf(plain, 'fresh')
    rmSync(join(fresh, 'report.json'), { force: true })
    const out = join(folder, 'side by side.html')
    const { code, stdout, stderr } = await start(['compare', run, fresh, plain, '--out', out]).ended
    expect(code, stderr).toBe(0)
    expect(found(fresh).run.name).toBe('fresh')
    for (const text of [
      'Results and cost',
      'Balance',
      'Specialization',
      'importance (soft)',
      'relative (hard)',
    ])
      expect(stdout).toContain(text)
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
    expect(readFileSync(out, 'utf8')).not.toMatch(/NaN|undefined/)
  })

  it('takes findings from the file only while they are about the newest checkpoint', async () => {
    const stale = copyOf(plain, 'stale')
    const report = found(stale)
    // No share of 64 images, so that it is known again.
    const changed = { ...report, measures: { ...report.measures, top1: 0.3 } }
    writeFileSync(join(stale, 'report.json'), JSON.stringify(changed))
    const ask = async (): Promise<unknown> =>
      json((await moiety('compare', stale, '--json', '--out', join(folder, 'c.html'))).stdout)
    expect(await ask()).toMatchObject([{ score: 0.3 }])
    for (const other of [
      { run: { ...report.run, checkpoint: 'of another one' } },
      { data: { ...report.data, identity: 'of other images' } },
      { data: { ...report.data, split: 'train' } },
      { version: 2 },
    ]) {
      writeFileSync(join(stale, 'report.json'), JSON.stringify({ ...changed, ...other }))
      expect(await ask()).toMatchObject([{ score: report.measures.top1 }])
    }
  })

  it('warns of runs on different data, and refuses the same folder twice', async () => {
    const few = writeTinyCifar(join(folder, 'fewer'), { test: 12 })
    const elsewhere = copyOf(plain, 'elsewhere')
    rmSync(join(elsewhere, 'report.json'), { force: true })
    const config = join(elsewhere, 'config.json')
    writeFileSync(config, readFileSync(config, 'utf8').replace(JSON.stringify(data), JSON.stringify(few)))
    const out = ['--out', join(folder, 'd.html')]
    const { stderr, code } = await moiety('compare', run, elsewhere, ...out)
    expect(code, stderr).toBe(0)
    expect(stderr).toMatch(/different data, so their scores cannot be compared/)
    expect(readFileSync(join(folder, 'd.html'), 'utf8')).not.toContain('Best by')
    const twice = await moiety('compare', run, other, `${run}/.`, ...out)
    expect(twice.code).toBe(2)
    expect(twice.stderr).toMatch(/same folder/)
  })
})
