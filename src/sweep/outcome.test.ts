import { expect, it } from 'vitest'
import { MemoryDisk } from '../../test/disks.ts'
import { sizeLimits } from '../files/regular.ts'
import { outcomeOf } from './outcome.ts'

it('reads each file of a run only up to the limit of its kind', () => {
  const disk = new MemoryDisk()
  disk.makeFolder('/sweep')
  disk.makeFolder('/sweep/run')
  const asked = new Map<string, number | undefined>()
  const layers = [{ name: 'layer4', importance: [1], cvImportance: 0, cvActivation: 0, living: 1 }]
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
