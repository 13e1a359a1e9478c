import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { koffiVersion } from './c-api/library.ts'
import { engineFolder, enginePlatforms, engineVersion, type FindEngine } from './onnxruntime.ts'

/** An installation that has packages of these versions. */
const having =
  (versions: Readonly<Record<string, string>>): FindEngine =>
  name => {
    const version = versions[name]
    return version === undefined ? undefined : { folder: `/x/${name}`, version }
  }

it('is that of the package for this system, or onnxruntime-node of the same version', () => {
  const own = { '@moiety/onnxruntime-linux-x64': engineVersion }
  expect(engineFolder(having(own), 'linux-x64')).toBe('/x/@moiety/onnxruntime-linux-x64')
  const both = { ...own, 'onnxruntime-node': engineVersion }
  expect(engineFolder(having(both), 'linux-x64')).toBe('/x/onnxruntime-node')
  const other = { ...own, 'onnxruntime-node': '1.22.0' }
  expect(engineFolder(having(other), 'linux-x64')).toBe('/x/@moiety/onnxruntime-linux-x64')
})

it.each([
  [{}, 'linux-x64', 'for linux-x64, found none', 'npm install @moiety/onnxruntime-linux-x64@'],
  [
    { 'onnxruntime-node': '1.22.0' },
    'win32-x64',
    'found 1.22.0 in /x/onnxruntime-node',
    'npm install @moiety',
  ],
  [{}, 'freebsd-x64', 'for freebsd-x64, found none', 'ONNX Runtime is built for darwin-arm64, linux-arm64'],
])('says what to do where there is none: %j on %s', (versions, system, message, help) => {
  try {
    engineFolder(having(versions), system)
    expect.unreachable()
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    expect(error.message).toContain(message)
    expect(error.help).toContain(help)
  }
})

it('has a package for every system, of the version that is loaded, which the manifest asks for', () => {
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
  const { optionalDependencies, devDependencies, dependencies } = read('package.json')
  for (const system of enginePlatforms) {
    const { name, version } = read(`packages/onnxruntime-${system}/package.json`)
    expect([optionalDependencies[name], version]).toEqual([engineVersion, engineVersion])
  }
  expect(Object.keys(optionalDependencies)).toEqual([
    '@koromix/koffi-linux-x64',
    ...['artwork', ...enginePlatforms.map(system => `onnxruntime-${system}`)].map(name => `@moiety/${name}`),
  ])
  expect(optionalDependencies['@koromix/koffi-linux-x64']).toBe(koffiVersion)
  expect(optionalDependencies['@moiety/artwork']).toBe(read('packages/artwork/package.json').version)
  expect([devDependencies['onnxruntime-node'], dependencies['onnxruntime-common']]).toEqual([
    engineVersion,
    engineVersion,
  ])
})
