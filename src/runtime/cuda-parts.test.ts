import { expect, it } from 'vitest'
import { canLoad, missingCudaParts } from './cuda-parts.ts'
import { explained } from './devices.ts'

it('names each missing part of CUDA with its libraries and what to do', () => {
  expect(missingCudaParts(() => true)).toEqual([])
  const missing = missingCudaParts(library => !/cudnn|cufft/.test(library))
  expect(missing.map(({ what, libraries }) => [what, ...libraries])).toEqual([
    ['CUDA 12', 'libcufft.so.11'],
    ['cuDNN 9', 'libcudnn.so.9'],
  ])
  const reason = (failure: string) => explained('cuda', failure, []).reason
  if (process.platform !== 'linux') return
  const { reason: found, help } = explained('cuda', 'Failed to load shared library', missing)
  expect(found).toBe('missing are CUDA 12 (libcufft.so.11); cuDNN 9 (libcudnn.so.9)')
  expect(help).toContain('install cuDNN 9 for CUDA 12')
  expect(reason('CUDA failure 100: no CUDA-capable device is detected')).toContain('finds no graphics card')
  expect(reason('CUDA failure 35: CUDA driver version is insufficient for')).toContain('too old')
  expect(reason('anything else')).toBe('anything else')
})

it('finds libraries that the system has, and not those that it has not', () => {
  if (process.platform !== 'linux') return
  expect(canLoad('libc.so.6')).toBe(true)
  expect(canLoad('libmoiety-has-none.so.1')).toBe(false)
})
