import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { compileForNode } from '../../test/compiled.ts'
import { pidNamespace, processHasEnded, statOf } from './process-identity.ts'

const compiled = compileForNode('src/files/process-identity.ts')
afterAll(() => rmSync(compiled.folder, { recursive: true, force: true }))

const namespace = ['--pid', '--fork', '--kill-child', process.execPath, '--input-type=module', '-e']
const canUnshare = spawnSync('unshare', [...namespace, '']).status === 0

describe('a process', () => {
  const self = { place: pidNamespace(), pid: process.pid, ticks: statOf(process.pid)?.started }

  it('runs as long as its number and its time of start are the same', () => {
    expect(processHasEnded(self)).toBe(false)
    expect(processHasEnded({ ...self, pid: 4_194_305 })).toBe(true)
    expect(processHasEnded({ ...self, place: '0123456789ab' })).toBeUndefined()
  })

  it.runIf(existsSync('/proc/self/stat'))('has ended where its number is that of a later one', () => {
    expect(processHasEnded({ ...self, ticks: '1' })).toBe(true)
  })

  it.runIf(canUnshare)(
    'is not confused with the one of the same number in the /proc of another PID namespace',
    () => {
      const program = `
      const { processHasEnded, pidNamespace, statOf } = await import(${JSON.stringify(pathToFileURL(compiled.file).href)})
      const self = { place: pidNamespace(), pid: process.pid, ticks: '7' }
      console.log(process.pid, statOf(process.pid), processHasEnded(self))`
      // Process 1 there; in this /proc, that is the first process of this machine.
      expect(String(spawnSync('unshare', [...namespace, program]).stdout)).toBe('1 undefined false\n')
    },
  )
})
