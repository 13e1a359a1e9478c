import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as OnnxRuntime from 'onnxruntime-common'
import { fail } from '../base/errors.ts'
import { isThere } from '../files/disk.ts'

/** The version of ONNX Runtime. The blocked layout uses ops of its own, so other versions are not loaded. */
export const engineVersion = '1.30.0'

/** Systems that Moiety has a package with ONNX Runtime for, as `process.platform` and `process.arch` write them. */
export const enginePlatforms = ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']

/** Folder of an installed package that has its entry point, and its version. */
export type FindEngine = (name: string) => { readonly folder: string; readonly version: string } | undefined

const require = createRequire(import.meta.url)

const findInstalled: FindEngine = name => {
  try {
    const manifest = require.resolve(`${name}/package.json`)
    const { version, main }: { version: string; main: string } = require(manifest)
    const folder = dirname(manifest)
    // In a checkout the folder of a platform's package has its manifest alone.
    return isThere(join(folder, main)) ? { folder, version } : undefined
  } catch {
    return undefined
  }
}

/**
 * The folder of ONNX Runtime: of `onnxruntime-node`, which may have CUDA, where somebody has installed the same version
 * of it, or else of the package for this system that is installed with Moiety.
 *
 * @throws MoietyError `usage` that says which package to install
 */
export function engineFolder(
  find: FindEngine = findInstalled,
  system = `${process.platform}-${process.arch}`,
): string {
  const own = `@moiety/onnxruntime-${system}`
  const found = ['onnxruntime-node', own].map(find)
  const suitable = found.find(each => each?.version === engineVersion)
  if (suitable !== undefined) return suitable.folder
  const others = found.flatMap(each => (each === undefined ? [] : [`${each.version} in ${each.folder}`]))
  return fail({
    kind: 'usage',
    message: `expected ONNX Runtime ${engineVersion} for ${system}, found ${others.length === 0 ? 'none' : others.join(' and ')}`,
    where: own,
    help: enginePlatforms.includes(system)
      ? `npm install ${own}@${engineVersion}; npm leaves it out with --omit=optional, and with a package-lock.json of another system`
      : `ONNX Runtime is built for ${enginePlatforms.join(', ')}`,
  })
}

/** Loads ONNX Runtime. @throws MoietyError `usage` where it is not installed */
export function loadOnnxRuntime(): typeof OnnxRuntime {
  return require(engineFolder())
}
