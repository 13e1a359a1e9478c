import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  failingDisk,
  MemoryDisk,
  observedDisk,
  operationsOf,
  smallDisk,
  systemError,
} from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { listNames, makeFolders, writeAtomically, writeFlushed } from './atomic-write.ts'
import { attempt, nodeDisk, readableBytes } from './disk.ts'
import { pathInside } from './path-inside.ts'

function diskWith(text: string): MemoryDisk {
  const disk = new MemoryDisk()
  makeFolders(disk, '/folder')
  writeAtomically(disk, '/folder/file', text)
  return disk
}

function content(disk: MemoryDisk): string {
  return new TextDecoder().decode(disk.read('/folder/file'))
}

const operations = operationsOf(diskWith('old'), disk => writeAtomically(disk, '/folder/file', 'new')).length

describe('writeFlushed', () => {
  it('writes all parts one after another, also to a disk that takes a little at a time', () => {
    const disk = diskWith('old')
    const parts = ['two ', '', 'or three'].map(text => new TextEncoder().encode(text))
    writeFlushed(smallDisk(disk, 3), '/folder/file', parts)
    expect(content(disk)).toBe('two or three')
  })
})

describe('writeAtomically', () => {
  it.each(['ENOSPC', 'EIO', 'EMFILE', 'EROFS', 'EACCES'])(
    'leaves the old or the new content, and no other files, with %s at any operation',
    code => {
      for (let at = 0; at < operations; at++) {
        const disk = diskWith('old')
        const write = (): void => writeAtomically(failingDisk(disk, at, code, false), '/folder/file', 'new')
        expect(write).toThrow(new RegExp(`^cannot .*/folder.*\\(${code}\\); 1\\.5 MB free there$`))
        // The last operation flushes the folder: the new content is there by then.
        expect(content(disk)).toBe(at === operations - 1 ? 'new' : 'old')
        expect(disk.list('/folder')).toEqual(['file'])
      }
    },
  )

  it('leaves the old or the new content through a power cut at any operation', () => {
    for (const survival of ['nothing', 'names', 'contents'] as const) {
      for (let at = 0; at <= operations; at++) {
        const disk = diskWith('old')
        const dying = observedDisk(disk, (_, index) => {
          if (index >= at) throw systemError('ESHUTDOWN')
        })
        try {
          writeAtomically(dying, '/folder/file', 'new')
        } catch (cause) {
          if (!(cause instanceof MoietyError)) throw cause
        }
        disk.cutPower(survival)
        expect(['old', 'new']).toContain(content(disk))
        if (at === operations) expect(content(disk)).toBe('new')
      }
    }
  })

  it('handles short writes of three bytes, and fails on a write of none', () => {
    const disk = diskWith('old')
    writeAtomically(smallDisk(disk, 3), '/folder/file', 'new content')
    expect(content(disk)).toBe('new content')
    expect(() => writeAtomically({ ...disk, write: () => 0 }, '/folder/file', 'x')).toThrow(/\(EIO\)/)
    expect(content(disk)).toBe('new content')
  })

  it('writes to the real disk', () => {
    const folder = mkdtempSync(join(tmpdir(), 'moiety-careful-'))
    makeFolders(nodeDisk, join(folder, 'a', 'b'))
    makeFolders(nodeDisk, join(folder, 'a', 'b'))
    writeAtomically(nodeDisk, join(folder, 'a', 'b', 'file'), 'text')
    expect(readFileSync(join(folder, 'a', 'b', 'file'), 'utf8')).toBe('text')
    expect(nodeDisk.freeBytes(join(folder, 'not', 'there'))).toBeGreaterThan(0)
    rmSync(folder, { recursive: true })
  })
})

describe('makeFolders', () => {
  it('creates what is missing, durably', () => {
    const disk = new MemoryDisk()
    makeFolders(disk, '/a/b/c')
    disk.cutPower('nothing')
    expect(listNames(disk, '/a/b')).toEqual(['c'])
    expect(listNames(disk, '/a/x')).toEqual([])
  })

  it('refuses a path through a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'moiety-careful-'))
    writeFileSync(join(folder, 'file'), '')
    for (const path of [join(folder, 'file'), join(folder, 'file', 'x')]) {
      expect(() => makeFolders(nodeDisk, path)).toThrow(/a part of the path is a file, not a folder/)
    }
    rmSync(folder, { recursive: true })
  })
})

describe('attempt', () => {
  it('rethrows errors that are not the disk’s', () => {
    const disk = new MemoryDisk()
    const bug = (): never => {
      throw new TypeError('a bug')
    }
    expect(() => attempt(disk, 'write', '/x', bug)).toThrow(TypeError)
  })

  it('omits the free space where the system does not report it', () => {
    const disk = { ...new MemoryDisk(), freeBytes: () => undefined }
    const failing = (): never => {
      throw systemError('EWHATEVER')
    }
    expect(() => attempt(disk, 'write', '/x', failing)).toThrow(
      /^cannot write \/x: the system refused \(EWHATEVER\)$/,
    )
  })
})

it('bytes are printed in readable units', () => {
  expect([0, 999, 1000, 12_345, 999_999_999, 2.5e12].map(readableBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '12.3 kB',
    '1000 MB',
    '2.5 TB',
  ])
})

describe('pathInside', () => {
  it.each(['a', 'a/b.png', 'a..b', '.hidden', 'a/./b'])('accepts %j', name => {
    expect(pathInside('/folder', name, 'test')).toBe(join('/folder', name))
  })

  it.each(['', '.', '..', '../a', 'a/../../b', 'a/..', '/a', '\\a', 'C:\\a', 'c:a', '..\\a', 'a\0b'])(
    'refuses %j',
    name => {
      expect(() => pathInside('/folder', name, 'test')).toThrow(MoietyError)
    },
  )
})
