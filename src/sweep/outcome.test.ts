import { expect, it } from 'vitest'
import { MemoryDisk } from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { writeAtomically } from '../files/atomic-write.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { outcomeOf } from './outcome.ts'

it.each(['active', 'living'])('reads the number of active experts where the summary calls it %s', key => {
  const disk = new MemoryDisk()
  for (const path of ['/sweep', '/sweep/run']) disk.makeFolder(path)
  const layers = [{ name: 'layer4', importance: [1], cvImportance: 0, cvActivation: 0, [key]: 3 }]
  const write = (name: string, value: object): void =>
    writeAtomically(disk, `/sweep/run/${name}`, JSON.stringify(value))
  write('config.json', {})
  write('summary.json', { interrupted: false, measures: { top1: 1 }, seconds: 1, layers })
  const outcome = outcomeOf('/sweep', { name: 'run', hash: '' }, undefined, { disk, isPlanned: () => true })
  expect(outcome).toMatchObject({ status: 'done', layers: [{ active: 3 }] })
})

it('reads each file of a run only up to the limit of its kind', () => {
  const disk = new MemoryDisk()
  disk.makeFolder('/sweep')
  disk.makeFolder('/sweep/run')
  const asked = new Map<string, number | undefined>()
  const layers = [{ name: 'layer4', importance: [1], cvImportance: 0, cvActivation: 0, active: 1 }]
  const files: Record<string, object> = {
    'config.json': {},
    'summary.json': { interrupted: false, top1: 1, top5: 1, seconds: 1, layers },
    'report.json': { layers: [] },
  }
  const reading = {
    ...disk,
    read: (path: string, most?: number): Uint8Array => {
      const name = path.slice('/sweep/run/'.length)
      asked.set(name, most)
      return new TextEncoder().encode(JSON.stringify(files[name]))
    },
    list: disk.list,
    freeBytes: disk.freeBytes,
  }
  const outcome = outcomeOf('/sweep', { name: 'run', hash: '' }, undefined, {
    disk: reading,
    isPlanned: () => true,
  })
  expect(outcome.status).toBe('done')
  expect(Object.fromEntries(asked)).toEqual({
    'config.json': sizeLimits.config,
    'summary.json': sizeLimits.summary,
    'report.json': sizeLimits.report,
  })
})

it('shows a run whose report.json cannot be read by its other numbers', () => {
  const disk = new MemoryDisk()
  const layers = [{ name: 'layer4', importance: [1], cvImportance: 0, cvActivation: 0, active: 1 }]
  const summary = { interrupted: false, measures: { top1: 0.5 }, seconds: 1, layers }
  const reading = {
    ...disk,
    read: (path: string): Uint8Array => {
      if (path.endsWith('report.json'))
        throw new MoietyError({ kind: 'disk', message: 'too large', help: '' })
      return new TextEncoder().encode(JSON.stringify(path.endsWith('summary.json') ? summary : {}))
    },
    list: disk.list,
    freeBytes: disk.freeBytes,
  }
  disk.makeFolder('/sweep')
  disk.makeFolder('/sweep/run')
  const run = { name: 'run', hash: '' }
  const outcome = outcomeOf('/sweep', run, undefined, { disk: reading, isPlanned: () => true })
  expect(outcome).toMatchObject({ status: 'done', measures: { top1: 0.5 }, layers: [{ byK: null }] })
})
