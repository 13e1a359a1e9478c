import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { evaluateRun } from '../src/tasks/evaluate-run.ts'
import { moiety, newFolder, writeRecipe } from './tiny.ts'
import { tinyDetector, writeTinyCoco } from './tiny-detection.ts'

/** What a user gets from evaluating a detector. */
const folder = newFolder()
const data = join(folder, 'data')

async function trained(name: string, config: object): Promise<string> {
  const place = join(folder, `recipe of ${name}`)
  mkdirSync(place)
  const run = join(folder, name)
  const { code, stdout, stderr } = await moiety('train', writeRecipe(place, config), '--out', run)
  expect(code, stderr).toBe(0)
  expect(stdout).toMatch(/On validation images {3}AP (\d\.\d{3}|–) {3}AP50/)
  return run
}

let run = ''
let plain = ''
beforeAll(async () => {
  await writeTinyCoco(data)
  run = await trained('run', tinyDetector(data))
  plain = await trained('plain', tinyDetector(data, null))
})

describe('moiety eval of a detector', () => {
  it("prints COCO's twelve numbers, who worked, and how", async () => {
    const { code, stdout, stderr } = await moiety('eval', run)
    expect(code, stderr).toBe(0)
    for (const text of [
      'On validation images',
      '6 images, loss',
      'routing: as trained',
      'AP50',
      'ARl',
      'large, from 96²',
      'head.classification_head',
      'head.regression_head',
      'Classes that each expert prefers',
    ])
      expect(stdout).toContain(text)
    expect(stderr).toContain('evaluating')
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  it('prints JSON alone on stdout, of either split, whatever the experts', async () => {
    const json = async (...words: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await moiety('eval', run, '--json', ...words)
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout)
    }
    const layer = { active: 1, activation: [0, 1, 0], importance: [0, 1, 0] }
    expect(await json('--only', '1')).toMatchObject({
      routing: 'single expert 1',
      split: 'val',
      images: 6,
      task: 'detection',
      details: {
        counts: { objects: 12 },
        sizes: [32, 96],
        perCategory: [{ name: 'square' }, { name: 'disc' }],
      },
      layers: [layer, layer],
    })
    expect(await json('--split', 'train', '--k', '3')).toMatchObject({
      routing: 'K = 3',
      split: 'train',
      images: 12,
      layers: [{ activation: [1, 1, 1] }, { activation: [1, 1, 1] }],
    })
    expect(await json('--without', '0')).toMatchObject({ layers: [{ activation: [0, 1, 1] }, {}] })
    expect(await json('--equal')).toMatchObject({ routing: 'all with equal weight' })
    const { tables: _, ...whole } = await evaluateRun({ run })
    expect(await json('--data', data)).toEqual(JSON.parse(JSON.stringify(whole)))
  })

  it('evaluates a detector without a mixture, in which there is nothing to choose', async () => {
    const { code, stdout } = await moiety('eval', plain)
    expect(code).toBe(0)
    expect(stdout).not.toContain('expert  share')
    const refused = await moiety('eval', plain, '--only', '0')
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect(refused.stderr).toContain('the run has no mixture of experts')
  })

  it.each([
    [['--only', '3'], 'there is no expert 3: experts are 0 to 2'],
    [['--k', '4'], 'K = 4 experts cannot be chosen from 3'],
    [['--without', '1', '--k', '3'], 'K = 3 experts cannot be chosen from 2'],
    [['--data', 'cifar10'], 'a detector learns from boxes, and cifar10 has none'],
  ])('refuses %j', async (words, message) => {
    const { code, stdout, stderr } = await moiety('eval', run, ...words)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).toContain('help: ')
  })
})
