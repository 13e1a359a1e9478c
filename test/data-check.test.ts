import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layouts, write } from './box-layouts.ts'

// These tests run what `npm test` has built before.
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moiety-data-check-'))
})
afterEach(() => rm(folder, { recursive: true }))

interface Ended {
  readonly code: number
  readonly out: string
}

function moiety(...args: string[]): Promise<Ended> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [program, ...args], { cwd: folder }, (_, out) =>
      resolve({ code: child.exitCode ?? -1, out }),
    )
  })
}

const picture = (shade: number): Promise<Buffer> =>
  sharp({ create: { width: 16, height: 16, channels: 3, background: { r: shade, g: 80, b: 200 } } })
    .png()
    .toBuffer()

interface Report {
  readonly kind: string
  readonly task: string
  readonly splits: object
  readonly classes: readonly { readonly name: string; readonly images: number }[]
  readonly problems: readonly { readonly kind: string; readonly count: number }[]
}

/** Runs the check; kinds of problems with their counts. */
async function check(...args: string[]) {
  const { code, out } = await moiety('data', 'check', 'data', '--json', ...args)
  expect(out).not.toContain(folder)
  const { kind, task, splits, classes, problems } = JSON.parse(out) as Report
  return {
    ...{ code, kind, task, splits },
    classes: classes.map(each => [each.name, each.images]),
    problems: Object.fromEntries(problems.map(each => [each.kind, each.count])),
  }
}

describe('moiety data check --json', () => {
  it('of a folder of classes; the repaired copy has no problems, and the page shows all classes', async () => {
    for (const i of [1, 2, 3]) write(folder, `data/train/cat/${i}.png`, await picture(i))
    for (const i of [1, 2]) write(folder, `data/train/a dog/${i}.png`, await picture(20 + i))
    for (const i of [1, 2]) write(folder, `data/val/cat/${i}.png`, await picture(40 + i))
    write(folder, 'data/val/a dog/copy.png', await picture(21))
    write(folder, 'data/val/a dog/own.png', await picture(60))
    write(folder, 'data/train/cat/bad.jpg', 'no image')
    write(folder, 'data/.DS_Store', '')
    expect(await check('--out', 'page.html', '--repair', 'copy')).toEqual({
      ...{ code: 0, kind: 'folder', task: 'classification' },
      splits: { train: { images: 5 }, val: { images: 4 } },
      classes: [
        ['a dog', 4],
        ['cat', 5],
      ],
      problems: { junk: 1, unreadable: 1, 'duplicate-across-splits': 1 },
    })
    const page = readFileSync(join(folder, 'page.html'), 'utf8')
    expect(page.match(/<svg /g)?.length).toBe(9)
    expect(page).not.toContain(folder)
    expect(readdirSync(folder).sort()).toEqual(['copy', 'data', 'page.html'])
    const again = JSON.parse((await moiety('data', 'check', 'copy', '--json')).out) as Report
    expect([again.problems, again.splits]).toEqual([[], { train: { images: 5 }, val: { images: 3 } }])
    expect((await moiety('data', 'check', 'data', '--repair', 'copy')).code).toBe(2)
  })

  it('of a table', async () => {
    for (const i of [1, 2, 3, 4]) write(folder, `data/${i}.png`, await picture(i))
    const rows = [
      '1.png,cat,train',
      '2.png,dog,train',
      '3.png,cat,test',
      '4.png,dog,elsewhere',
      '9.png,cat,train',
    ]
    write(folder, 'data/labels.csv', `path,label,split\n${rows.join('\n')}\n`)
    expect(await check()).toEqual({
      ...{ code: 3, kind: 'table', task: 'classification' },
      splits: { train: { images: 2 }, test: { images: 1 } },
      classes: [
        ['dog', 1],
        ['cat', 2],
      ],
      problems: { 'bad-row': 1, missing: 1 },
    })
  })

  it('reads what --set names: links that lead out, annotations and images anywhere', async () => {
    for (const name of ['cat', 'dog'])
      for (const i of [1, 2, 3])
        write(folder, `elsewhere/${name}/${i}.png`, await picture(30 * i + name.length))
    mkdirSync(join(folder, 'data'))
    for (const name of ['cat', 'dog'])
      symlinkSync(join(folder, 'elsewhere', name), join(folder, 'data', name))
    expect((await check()).code).toBe(3)
    expect(await check('--set', 'data.followLinks=true')).toMatchObject({
      ...{ code: 0, kind: 'folder', splits: { train: { images: 4 }, test: { images: 2 } } },
    })
    await rm(join(folder, 'data'), { recursive: true })
    await layouts['COCO 2017']!.write(join(folder, 'data'))
    const places = ['annotations.train=annotations/instances_val2017.json', 'images.train=val2017']
    expect(await check(...places.flatMap(place => ['--set', `data.${place}`]))).toMatchObject({
      ...{ code: 0, kind: 'coco', splits: { train: { images: 1 }, test: { images: 1 } } },
    })
    expect((await moiety('data', 'check', 'data', '--set', 'data.size=64')).code).toBe(2)
  })

  it('of one file shows no path of its folder', async () => {
    await layouts['COCO 2017']!.write(join(folder, 'data'))
    const { code, out } = await moiety('data', 'check', 'data/annotations/instances_train2017.json', '--json')
    expect(code).toBe(0)
    expect(out).not.toContain(folder)
    expect(JSON.parse(out)).toMatchObject({ name: 'instances_train2017.json', kind: 'coco' })
  })

  it('of a YOLO folder', async () => {
    await layouts['YOLO of Ultralytics']!.write(join(folder, 'data'))
    write(
      folder,
      'data/labels/train/a.txt',
      '1 0.25 0.2 0.25 0.2\n0 0.25 0.25 0.5 0.5\n7 0.5 0.5 0.1 0.1\nnot a box\n',
    )
    write(folder, 'data/images/train/b.jpg', 'no image')
    const found = await check()
    // A sixth of the lines, which training refuses.
    expect(found).toMatchObject({ code: 3, kind: 'yolo', task: 'detection' })
    expect(found.splits).toMatchObject({ train: { images: 3, objects: 3 }, val: { images: 2, objects: 2 } })
    expect(found.problems).toMatchObject({
      'unreadable-label': 1,
      'unknown-category': 1,
      unreadable: 1,
      refused: 2,
    })
  })

  it('of a COCO folder', async () => {
    await layouts['COCO 2017']!.write(join(folder, 'data'))
    const file = join(folder, 'data/annotations/instances_train2017.json')
    const content = JSON.parse(readFileSync(file, 'utf8')) as {
      annotations: { area?: number; image_id: number }[]
    }
    delete content.annotations[0]!.area
    content.annotations[1]!.image_id = 99
    write(folder, 'data/annotations/instances_train2017.json', JSON.stringify(content))
    await rm(join(folder, 'data/val2017/e.jpg'))
    expect(existsSync(file)).toBe(true)
    const found = await check()
    expect(found).toMatchObject({ code: 0, kind: 'coco', task: 'detection' })
    expect(found.splits).toMatchObject({ train: { images: 4, objects: 3 }, val: { images: 1, objects: 1 } })
    expect(found.problems).toMatchObject({ 'missing-area': 1, 'absent-image': 1, missing: 1 })
  })
})
