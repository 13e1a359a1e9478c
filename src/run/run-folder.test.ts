import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failingDisk, MemoryDisk, observedDisk, operationsOf, systemError } from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { floats } from '../base/tensor.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { listCheckpoints, writeCheckpoint } from './checkpoint.ts'
import { describeEnvironment } from './environment.ts'
import { openMetricsLog } from './metrics-log.ts'
import { claimRunFolder, configHash, createRun, openRun, readConfig, unclaimRunFolder } from './run-folder.ts'

const environment = describeEnvironment({ onnxruntime: '1.2.3', device: 'cpu', threads: 2, recipe: 'r' })
const config = {
  seed: 1,
  model: { initialisation: 'published', name: 'resnet18', weightsEntry: null, copyNoise: 0, freeze: null },
}
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moiety-run-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function refusalOf(action: () => unknown): MoietyError {
  try {
    action()
  } catch (cause) {
    if (cause instanceof MoietyError) return cause
    throw cause
  }
  throw new Error('nothing was refused')
}

describe('a new run', () => {
  it('has its configuration and environment on disk, and is locked until released', () => {
    const path = join(root, 'a', 'b')
    const run = createRun(path, config, environment)
    expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toEqual(config)
    expect(run.environment).toEqual(environment)
    expect(refusalOf(() => openRun(path)).message).toContain('another training is running')
    run.writeSummary({ top1: 0.5 })
    run.release()
    expect(readdirSync(path).sort()).toEqual(['config.json', 'environment.json', 'summary.json'])
    const again = openRun(path)
    expect(again.config).toEqual(config)
    again.release()
  })

  it('is refused in a folder that holds a run, with the way to resume it', () => {
    createRun(root, config, environment).release()
    const error = refusalOf(() => createRun(root, config, environment))
    expect(error.kind).toBe('usage')
    expect(error.help).toContain('--resume')
  })

  it('is refused in a folder that holds anything else, which is left as it was', () => {
    writeFileSync(join(root, 'thesis.tex'), '')
    expect(refusalOf(() => createRun(root, config, environment)).message).toContain('has "thesis.tex"')
    expect(readdirSync(root)).toEqual(['thesis.tex'])
  })

  it('is refused where a file is', () => {
    writeFileSync(join(root, 'file'), '')
    expect(refusalOf(() => createRun(join(root, 'file'), config, environment)).kind).toBe('disk')
    expect(refusalOf(() => createRun(join(root, 'file', 'x'), config, environment)).kind).toBe('disk')
  })

  it('that was interrupted anywhere while it was made is either a run or can be made again', () => {
    const create = (disk: Disk): void => createRun('/run', config, environment, disk).release()
    const count = operationsOf(new MemoryDisk(), create).length
    for (let at = 0; at <= count; at++) {
      const disk = new MemoryDisk()
      const killed = observedDisk(disk, (_, index) => {
        if (index >= at) throw systemError('ESHUTDOWN')
      })
      try {
        create(killed)
      } catch (cause) {
        if (!(cause instanceof MoietyError)) throw cause
      }
      disk.cutPower('names')
      // The lock of this running process is removed as it would be for a dead one.
      if (disk.list('/').includes('run')) {
        for (const name of disk.list('/run')) if (name.startsWith('run.lock.')) disk.remove(`/run/${name}`)
      }
      const isRun = disk.list('/').includes('run') && disk.list('/run').includes('config.json')
      if (!isRun) create(disk)
      const run = openRun('/run', disk)
      expect(run.config).toEqual(config)
      run.release()
      expect(disk.list('/run').filter(name => name.startsWith('.'))).toEqual([])
    }
  })

  it('that cannot be made leaves no lock', () => {
    const operations = operationsOf(nodeDisk, disk => createRun(root, config, environment, disk).release())
    // The operations of the release follow the last flush of the folder and the reading of both files.
    for (let at = 0; at < operations.length - 2; at++) {
      const path = join(root, String(at))
      expect(
        refusalOf(() => createRun(path, config, environment, failingDisk(nodeDisk, at, 'EROFS', false))).kind,
      ).toBe('disk')
      const names = readdirSync(root).includes(String(at)) ? readdirSync(path) : []
      expect(names.filter(name => name.startsWith('run.lock.'))).toEqual([])
    }
  })
})

describe('opening a run', () => {
  it('removes what killed processes left unfinished, and nothing else', () => {
    createRun(root, config, environment).release()
    const state = new Map([['w', floats([1], [1])]])
    writeCheckpoint(root, { step: 1, epoch: 0, batch: 1, config: '', state })
    writeFileSync(join(root, '.writing-summary.json'), '{')
    mkdirSync(join(root, 'checkpoints', '.writing-step-000002'))
    writeFileSync(join(root, 'notes.txt'), '')
    openRun(root).release()
    expect(readdirSync(root).sort()).toEqual(['checkpoints', 'config.json', 'environment.json', 'notes.txt'])
    expect(readdirSync(join(root, 'checkpoints'))).toEqual(['step-000001'])
    expect(listCheckpoints(root)).toHaveLength(1)
  })

  it.each([
    ['no folder', () => {}, 'usage', /no run in/],
    ['no config.json', () => writeFileSync(join(root, 'x'), ''), 'usage', /no run in/],
    [
      'a config.json that is not JSON',
      () => writeFileSync(join(root, 'config.json'), '{'),
      'disk',
      /not JSON/,
    ],
    [
      'a config.json that is a list',
      () => writeFileSync(join(root, 'config.json'), '[]'),
      'disk',
      /JSON object/,
    ],
  ] as const)('is refused with %s', (_, prepare, kind, message) => {
    prepare()
    const error = refusalOf(() => openRun(root))
    expect(error.kind).toBe(kind)
    expect(error.message).toMatch(message)
    expect(readdirSync(root).filter(name => name.startsWith('run.lock.'))).toEqual([])
  })

  it('is not needed to read its configuration', () => {
    const run = createRun(root, config, environment)
    expect(readConfig(root)).toEqual(config)
    run.release()
  })
})

describe.skipIf(process.platform === 'win32')('a link in the folder of a run', () => {
  it.each([
    ['metrics.jsonl', 'file'],
    ['checkpoints', 'folder'],
    ['checkpoints/step-000002', 'folder'],
    ['report.json', 'nothing'],
  ])('%s that links out of it to a %s is refused, and nothing there is touched', (name, target) => {
    const run = join(root, 'run')
    createRun(run, config, environment).release()
    mkdirSync(join(root, 'outside'))
    writeFileSync(join(root, 'outside', 'kept'), 'kept')
    const outside = { file: 'outside/kept', folder: 'outside', nothing: 'outside/missing' }[target]!
    if (name.includes('/')) mkdirSync(join(run, 'checkpoints'))
    symlinkSync(join(root, outside), join(run, name))
    const error = refusalOf(() => openRun(run))
    expect([error.kind, error.where]).toEqual(['usage', join(run, name)])
    expect(readdirSync(join(root, 'outside'))).toEqual(['kept'])
    expect(readFileSync(join(root, 'outside', 'kept'), 'utf8')).toBe('kept')
  })

  it('is followed within the folder, and the folder of a run may be one', () => {
    const run = join(root, 'run')
    createRun(run, config, environment).release()
    symlinkSync('config.json', join(run, 'latest.json'))
    symlinkSync(run, join(root, 'link'))
    openRun(join(root, 'link')).release()
  })

  it('is not written through by the log', () => {
    writeFileSync(join(root, 'outside'), '{"kind":"step","step":9}\n')
    mkdirSync(join(root, 'run'))
    symlinkSync(join(root, 'outside'), join(root, 'run', 'metrics.jsonl'))
    expect(refusalOf(() => openMetricsLog(join(root, 'run'))).message).toContain('a symbolic link')
    expect(readFileSync(join(root, 'outside'), 'utf8')).toContain('9')
  })
})

describe('claimRunFolder', () => {
  it('counts up, from the highest that is there', () => {
    expect(claimRunFolder('small', root)).toBe(join(root, 'small-1'))
    mkdirSync(join(root, 'small-9'))
    mkdirSync(join(root, 'small-x'))
    mkdirSync(join(root, 'small-moe-30'))
    expect(claimRunFolder('small', root)).toBe(join(root, 'small-10'))
  })

  it('is given back while it is empty, and never with anything in it', () => {
    const path = claimRunFolder('small', root)
    unclaimRunFolder(path)
    expect(existsSync(path)).toBe(false)
    mkdirSync(path)
    writeFileSync(join(path, 'config.json'), '{}')
    unclaimRunFolder(path)
    expect(existsSync(join(path, 'config.json'))).toBe(true)
  })

  it('continues when another process takes the number first', () => {
    let raced = false
    const disk: Disk = {
      ...nodeDisk,
      list: path => {
        const names = nodeDisk.list(path)
        if (!raced) mkdirSync(join(path, 'small-1'))
        raced = true
        return names
      },
    }
    expect(claimRunFolder('small', root, disk)).toBe(join(root, 'small-2'))
  })

  it.each([
    ['../../etc', 'etc-1'],
    ['/abs', 'abs-1'],
    ['a\0b c', 'a-b-c-1'],
    ['..', 'run-1'],
    ['recipe.v2', 'recipe.v2-1'],
  ])('stays in its folder for the name %j', (recipe, name) => {
    expect(claimRunFolder(recipe, root)).toBe(join(root, name))
  })
})

describe('configHash', () => {
  it('depends on content, not on the order of keys', () => {
    expect(configHash({ a: 1, b: { c: [1, 2], d: null } })).toBe(
      configHash({ b: { d: null, c: [1, 2] }, a: 1 }),
    )
    expect(configHash({ a: [1, 2] })).not.toBe(configHash({ a: [2, 1] }))
    expect(configHash({ a: 1 })).not.toBe(configHash({ a: '1' }))
  })
})

describe('describeEnvironment', () => {
  it('says what a result may depend on', () => {
    expect(environment).toMatchObject({ node: process.versions.node, onnxruntime: '1.2.3', threads: 2 })
    expect(environment.cores).toBeGreaterThan(0)
    expect(environment.platform).toContain(process.platform)
    expect(
      describeEnvironment({ onnxruntime: '', device: 'cpu', threads: 1, recipe: 'r' }, root).commit,
    ).toBeNull()
  })
})
