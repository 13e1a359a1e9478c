import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failingDisk, MemoryDisk, observedDisk, operationsOf, systemError } from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { describeEnvironment } from '../run/environment.ts'
import { createRun, openRun } from '../run/run-folder.ts'
import { makeFolders, writeAtomically } from './atomic-write.ts'
import { type Disk, nodeDisk } from './disk.ts'
import { finishReplacement, replaceFile, replaceFiles, replacingFolder } from './replace-files.ts'
import { hoursUntilAbandoned, removeAbandoned, temporaryName } from './temporary-name.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moiety-together-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const names = ['a.json', 'b.parquet', 'c.html']
const text = new TextDecoder()

function write(disk: Disk, folder: string, writer: string): void {
  replaceFiles(
    disk,
    names.map(name => ({ path: join(folder, name), bytes: `${writer}:${name}` })),
  )
}

/** The writer of the files that exist: one, unless sets were mixed. Anything else in the folder is listed too. */
function found(disk: Disk, folder: string): string[] {
  const whose = disk.list(folder).map(name => {
    if (!names.includes(name)) return name
    const [writer, of] = text.decode(disk.read(join(folder, name))).split(':')
    return of === name ? writer! : `${name} holds ${of}`
  })
  return [...new Set(whose)]
}

function diskWith(writer: string): MemoryDisk {
  const disk = new MemoryDisk()
  makeFolders(disk, '/run')
  write(disk, '/run', writer)
  return disk
}

const operations = operationsOf(diskWith('old'), disk => write(disk, '/run', 'new'))

describe('files that are replaced together', () => {
  it('are of one of two writers, wherever the second begins and ends while the first writes', () => {
    for (const [kind, disk, folder] of [
      ['memory', diskWith('old'), '/run'],
      ['real', nodeDisk, root],
    ] as const)
      for (let at = 0; at < operations.length; at++) {
        const interrupted = observedDisk(disk, (_, index) => {
          if (index === at) write(disk, folder, 'second')
        })
        write(interrupted, folder, 'first')
        expect(found(disk, folder), `${kind}, before operation ${at}`).toHaveLength(1)
        expect(['first', 'second']).toContain(found(disk, folder)[0])
      }
  })

  it('are of one writer when a third helps in the middle of the second', () => {
    for (let at = 0; at < operations.length; at++)
      for (let then = 0; then < operations.length; then++) {
        const disk = diskWith('old')
        const second = observedDisk(disk, (_, index) => {
          if (index === then) write(disk, '/run', 'third')
        })
        const first = observedDisk(disk, (_, index) => {
          if (index === at) write(second, '/run', 'second')
        })
        write(first, '/run', 'first')
        expect(found(disk, '/run'), `${at}, ${then}`).toHaveLength(1)
      }
  })

  it('are all old or all new after a kill or a power cut at any operation, once another writer or reader runs', () => {
    for (const survival of ['killed', 'nothing', 'names', 'contents'] as const)
      for (let at = 0; at <= operations.length; at++) {
        const disk = diskWith('old')
        const dying = observedDisk(disk, (_, index) => {
          if (index >= at) throw systemError('ESHUTDOWN')
        })
        try {
          write(dying, '/run', 'new')
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
        }
        if (survival !== 'killed') disk.cutPower(survival)
        finishReplacement(disk, '/run')
        const whose = found(disk, '/run').filter(name => !name.startsWith('.writing-'))
        expect(whose, `${survival} at ${at}`).toHaveLength(1)
        expect(['old', 'new']).toContain(whose[0])
      }
  })

  it.each(['ENOSPC', 'EIO', 'EMFILE'])(
    'leave the former ones and nothing else where the disk fails: %s',
    code => {
      const decided = operations.indexOf('rename')
      for (let at = 0; at < operations.length; at++) {
        const disk = diskWith('old')
        let failed = false
        try {
          write(failingDisk(disk, at, code, false), '/run', 'new')
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
          expect(cause.message).toContain(code)
          failed = true
        }
        if (at < decided && failed) expect(found(disk, '/run'), `${at}`).toEqual(['old'])
        finishReplacement(disk, '/run')
        expect(found(disk, '/run'), `${at}`).toHaveLength(1)
      }
    },
  )

  it('in several folders are all written before any is replaced', () => {
    const disk = diskWith('old')
    const full = (): void => {
      replaceFiles(disk, [
        { path: '/run/a.json', bytes: 'new:a.json' },
        { path: '/run/hub/README.md', bytes: 'x' },
        {
          path: '/run/hub/model',
          get bytes(): string {
            throw systemError('ENOSPC')
          },
        },
      ])
    }
    expect(full).toThrow()
    expect(text.decode(disk.read('/run/a.json'))).toBe('old:a.json')
    expect(disk.list('/run/hub')).toEqual([])
  })

  it('are not written over a folder, and the others stay unchanged', () => {
    write(nodeDisk, root, 'old')
    rmSync(join(root, 'c.html'))
    mkdirSync(join(root, 'c.html'))
    expect(() => write(nodeDisk, root, 'new')).toThrow(/cannot write .*c\.html: it is a folder, not a file/)
    expect(text.decode(nodeDisk.read(join(root, 'a.json')))).toBe('old:a.json')
    expect(readdirSync(root).sort()).toEqual(names)
  })
})

describe('files in several folders that are replaced together', () => {
  const places = ['/run/a.json', '/run/hub/b.json', '/run/hub/c.json', '/z/d.json']

  const spread = (disk: Disk, writer: string, paths: readonly string[] = places): void => {
    replaceFiles(
      disk,
      paths.map(path => ({ path, bytes: writer })),
    )
  }
  const foundIn = (disk: Disk): string[] => [
    ...new Set(places.map(path => text.decode(disk.read(path)))),
    ...['/run', '/run/hub', '/z'].flatMap(folder => disk.list(folder).filter(name => name.startsWith('.'))),
  ]
  const spreadDisk = (): MemoryDisk => {
    const disk = new MemoryDisk()
    spread(disk, 'old')
    return disk
  }
  const steps = operationsOf(spreadDisk(), disk => spread(disk, 'new')).length

  it('are of one of two writers, wherever the second begins and ends while the first writes', () => {
    for (let at = 0; at < steps; at++) {
      const disk = spreadDisk()
      spread(
        observedDisk(disk, (_, index) => {
          if (index === at) spread(disk, 'second')
        }),
        'first',
      )
      expect(foundIn(disk), `before operation ${at}`).toHaveLength(1)
      expect(['first', 'second']).toContain(foundIn(disk)[0])
    }
  })

  it('are those of some order of the writers where a third helps in the middle of the second', () => {
    for (let at = 0; at < steps; at++)
      for (let then = at % 7; then < steps; then += 7) {
        const disk = spreadDisk()
        const second = observedDisk(disk, (_, index) => {
          if (index === then) spread(disk, 'third')
        })
        const first = observedDisk(disk, (_, index) => {
          if (index === at) spread(second, 'second')
        })
        spread(first, 'first')
        expect(foundIn(disk), `${at}, ${then}`).toHaveLength(1)
      }
  })

  it('are in order with a writer of some of the folders', () => {
    const later = places.slice(1)
    for (let at = 0; at < steps; at++) {
      const disk = spreadDisk()
      spread(
        observedDisk(disk, (_, index) => {
          if (index === at) spread(disk, 'second', later)
        }),
        'first',
      )
      const contents = places.map(path => text.decode(disk.read(path)))
      expect(contents[0], `${at}`).toBe('first')
      expect(new Set(contents.slice(1)).size, `${at}: ${contents.join()}`).toBe(1)
    }
  })

  it('are all old or all new after a kill or a power cut at any operation, once somebody comes next', () => {
    for (const survival of ['killed', 'nothing', 'names', 'contents'] as const)
      for (let at = 0; at <= steps; at++) {
        const disk = spreadDisk()
        const dying = observedDisk(disk, (_, index) => {
          if (index >= at) throw systemError('ESHUTDOWN')
        })
        try {
          spread(dying, 'new')
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
        }
        if (survival !== 'killed') disk.cutPower(survival)
        const contents = () => places.map(path => text.decode(disk.read(path)))
        if (at % 2 === 0) {
          finishReplacement(disk, '/run')
          expect(new Set(contents()).size, `${survival} at ${at}: ${contents()}`).toBe(1)
        }
        // Also where the next one comes to later folders only: it is not undone by what is finished then.
        spread(disk, 'next', places.slice(1))
        finishReplacement(disk, '/run')
        expect(contents().slice(1), `${survival} at ${at}`).toEqual(['next', 'next', 'next'])
      }
  })

  it.runIf(process.platform === 'linux')('parts of a process that has ended are finished or removed', () => {
    const { pid } = spawnSync(process.execPath, ['-e', ''])
    const name = temporaryName('together').replace(/\.\d+\.\d+\.([0-9a-f]{12})-/, `.${pid}.1.$1-`)
    const part = name.replace('.writing-', '.part-')
    const make = (isDecided: boolean): string => {
      const top = mkdtempSync(join(root, 'set-'))
      mkdirSync(join(top, 'hub', part), { recursive: true })
      writeFileSync(join(top, 'hub', part, 'config.json'), 'decided')
      writeFileSync(join(top, 'hub', part, '.also-1'), JSON.stringify({ first: '..', next: null }))
      const first = join(top, isDecided ? replacingFolder : '.writing-x')
      mkdirSync(first)
      writeFileSync(join(first, 'model.onnx'), 'decided')
      writeFileSync(join(first, '.also-1'), JSON.stringify({ first: null, next: `hub/${part}` }))
      replaceFiles(nodeDisk, [{ path: join(top, 'hub', 'other'), bytes: '' }])
      return top
    }
    const decided = make(true)
    expect(readdirSync(decided).sort()).toEqual(['hub', 'model.onnx'])
    expect(readdirSync(join(decided, 'hub')).sort()).toEqual(['config.json', 'other'])
    const undecided = make(false)
    expect(readdirSync(join(undecided, 'hub'))).toEqual(['other'])
  })

  it('are not followed in a circle, nor to what is no part, where a hostile folder says so', () => {
    const top = join(root, 'hostile')
    mkdirSync(join(top, 'a', replacingFolder), { recursive: true })
    mkdirSync(join(top, 'b', '.part-x'), { recursive: true })
    mkdirSync(join(top, 'c', 'mine'), { recursive: true })
    writeFileSync(join(top, 'c', 'mine', 'kept'), '')
    const also = (path: string, next: string): void =>
      writeFileSync(join(top, path), JSON.stringify({ first: null, next }))
    also(`a/${replacingFolder}/.also-1`, '../b/.part-x')
    also(`a/${replacingFolder}/.also-2`, '../c/mine')
    also('b/.part-x/.also-3', `../a/${replacingFolder}`)
    finishReplacement(nodeDisk, join(top, 'a'))
    expect(readdirSync(join(top, 'c', 'mine'))).toEqual(['kept'])
    expect(readdirSync(join(top, 'a'))).toEqual([])
  })
})

describe('one file', () => {
  it('has the whole content of one of two writers, wherever the second comes while the first writes', () => {
    const disk = diskWith('old')
    const path = '/run/a.json'
    const count = operationsOf(disk, other => writeAtomically(other, path, 'first')).length
    for (let at = 0; at < count; at++) {
      const shared = observedDisk(disk, (_, index) => {
        if (index === at) writeAtomically(disk, path, 'the second writer')
      })
      writeAtomically(shared, path, 'first')
      expect(['first', 'the second writer']).toContain(text.decode(disk.read(path)))
      expect(disk.list('/run').sort()).toEqual(names)
    }
  })

  it('may have a name as long as names can be', () => {
    const name = `${'ü'.repeat(125)}.html`
    replaceFile(nodeDisk, join(root, name), 'x')
    expect(readdirSync(root)).toEqual([name])
  })
})

describe('a temporary file', () => {
  const own = (): string => temporaryName('report.json')
  /** The name that this process would give it if it had another number and time of start. */
  const of = (pid: number, started = '1'): string =>
    own().replace(/\.\d+\.\d+\.([0-9a-f]{12})-/, `.${pid}.${started}.$1-`)
  const elsewhere = (): string => own().replace(/^\.writing-[^.]+/, '.writing-0123456789ab')
  const put = (name: string, hours = 0): string => {
    const path = join(root, name)
    writeFileSync(path, '')
    const when = Date.now() / 1000 - 3600 * hours
    utimesSync(path, when, when)
    return name
  }
  const left = (isOwn?: (name: string) => boolean): string[] => {
    writeFileSync(join(root, 'reference'), '')
    removeAbandoned(nodeDisk, root, join(root, 'reference'), isOwn)
    return readdirSync(root).filter(name => name !== 'reference')
  }

  it('has a unique name', () => {
    expect(new Set(Array.from({ length: 1000 }, own)).size).toBe(1000)
  })

  it.runIf(process.platform === 'linux')(
    'of a process that has ended is removed, and of one that runs is kept',
    () => {
      const { pid } = spawnSync(process.execPath, ['-e', ''])
      put(of(pid))
      // The same number, given to a process that started at another time.
      put(of(process.pid, '1'))
      const kept = put(own(), 10 * hoursUntilAbandoned)
      expect(left()).toEqual([kept])
    },
  )

  it('of another machine or container, or an earlier version, is kept until nothing has changed for a day', () => {
    const young = [
      put(elsewhere()),
      put(elsewhere(), hoursUntilAbandoned - 1),
      put('.writing-report.json', 1),
    ]
    put(elsewhere(), hoursUntilAbandoned + 1)
    put('.writing-routing.parquet', hoursUntilAbandoned + 1)
    expect(left().sort()).toEqual(young.sort())
  })

  it('of a file that the caller alone writes is removed whoever wrote it', () => {
    for (const name of [elsewhere(), own(), '.writing-report.json']) put(name)
    const kept = put(temporaryName('model.onnx'))
    expect(left(name => name === 'report.json')).toEqual([kept])
  })

  it('of an explain is left alone by a training that is resumed at any operation of it', () => {
    const environment = describeEnvironment({ onnxruntime: '1', device: 'cpu', threads: 1, recipe: 'r' })
    createRun(root, { seed: 1 }, environment).release()
    write(nodeDisk, root, 'old')
    for (let at = 0; at < operations.length; at++) {
      const explaining = observedDisk(nodeDisk, (_, index) => {
        if (index === at) openRun(root).release()
      })
      write(explaining, root, `new ${at}`)
      expect(readdirSync(root).sort()).toEqual([...names, 'config.json', 'environment.json'].sort())
      for (const name of names) expect(text.decode(nodeDisk.read(join(root, name)))).toBe(`new ${at}:${name}`)
    }
  })

  it('that was committed is finished by a resumed training', () => {
    const environment = describeEnvironment({ onnxruntime: '1', device: 'cpu', threads: 1, recipe: 'r' })
    createRun(root, { seed: 1 }, environment).release()
    mkdirSync(join(root, replacingFolder))
    writeFileSync(join(root, replacingFolder, 'report.json'), '{}')
    openRun(root).release()
    expect(readdirSync(root).sort()).toEqual(['config.json', 'environment.json', 'report.json'])
  })
})

describe.skipIf(process.platform === 'win32')('a link instead of a committed set', () => {
  it.each(['outside', 'run/checkpoints'])('is refused, and nothing is moved out of %s', target => {
    const run = join(root, 'run')
    const folder = join(root, target)
    mkdirSync(folder, { recursive: true })
    mkdirSync(run, { recursive: true })
    writeFileSync(join(folder, 'thesis.txt'), 'mine')
    symlinkSync(folder, join(run, replacingFolder))
    expect(() => write(nodeDisk, run, 'new')).toThrow('found a link')
    expect(readdirSync(folder)).toEqual(['thesis.txt'])
    expect(readdirSync(run).filter(name => name !== 'checkpoints')).toEqual([replacingFolder])
    rmSync(join(run, replacingFolder))
    write(nodeDisk, run, 'new')
    expect(found(nodeDisk, run).filter(name => name !== 'checkpoints')).toEqual(['new'])
  })
})
