// @ts-check
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/*
 * Packs what a release publishes: moiety, @moiety/artwork, and ONNX Runtime for each system as a package of its own. These have what
 * onnxruntime-node has for one system, unchanged, but no install script: that one downloads CUDA libraries from another host and
 * fails the whole installation where it cannot. `npm run pack` writes all tarballs into build/.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'node_modules', 'onnxruntime-node')

/** Systems by `process.platform` and `process.arch`, with what their package must say beyond that. */
const systems = readdirSync(join(root, 'packages')).flatMap(
  name => /^onnxruntime-(.+)$/.exec(name)?.slice(1) ?? [],
)

/**
 * Not packed: DirectML, which only ONNX Runtime's DirectML provider loads and Moiety does not use, a second copy of the same library,
 * and source maps.
 */
const leftOut = [/DirectML\.dll$/, /libonnxruntime\.\d+\.\d+\.\d+\.dylib$/, /\.map$/]

/**
 * The package with ONNX Runtime for one system, as a folder.
 *
 * @param {string} system
 * @param {string} out
 */
export function stageEngine(system, out) {
  const [platform, arch] = system.split('-')
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  const original = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  const manifest = JSON.parse(
    readFileSync(join(root, 'packages', `onnxruntime-${system}`, 'package.json'), 'utf8'),
  )
  if (original.version !== manifest.version)
    throw new Error(`onnxruntime-node is ${original.version}, but ${manifest.name} says ${manifest.version}`)
  // Not in the workspace's own manifest: npm would refuse to install a checkout on any other system.
  const limits = { os: [platform], cpu: [arch], ...(platform === 'linux' ? { libc: ['glibc'] } : {}) }
  const whole = {
    ...manifest,
    repository: repositoryOf(`onnxruntime-${system}`),
    ...limits,
  }
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(whole, null, 2)}\n`)
  for (const part of ['dist', join('bin', 'napi-v6', platform, arch)]) {
    cpSync(join(source, part), join(out, part), {
      recursive: true,
      filter: file => !leftOut.some(pattern => pattern.test(file)),
    })
  }
  cpSync(join(root, 'third-party', 'onnxruntime'), out, { recursive: true })
  const direct3d =
    platform === 'win32' ? ['', readFileSync(join(root, 'third-party', 'direct3d.txt'), 'utf8').trim()] : []
  const text = [
    `# ${manifest.name}`,
    '',
    manifest.description,
    ...direct3d,
    '',
    'Copyright Microsoft Corporation, MIT: see LICENSE and ThirdPartyNotices.txt.',
  ]
  writeFileSync(join(out, 'README.md'), `${text.join('\n')}\n`)
}

/**
 * The package with the artwork, as a folder: as it is in packages/, with the address that provenance is checked against.
 *
 * @param {string} out
 */
export function stageArtwork(out) {
  rmSync(out, { recursive: true, force: true })
  cpSync(join(root, 'packages', 'artwork'), out, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(out, 'package.json'), 'utf8'))
  const whole = { ...manifest, repository: repositoryOf('artwork') }
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(whole, null, 2)}\n`)
}

/** @param {string} name of a folder in packages/ */
function repositoryOf(name) {
  const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return { ...repository, directory: `packages/${name}` }
}

/**
 * Packs a folder as `npm publish` would, and returns the tarball's path.
 *
 * @param {string} folder
 * @param {string} to
 */
export function pack(folder, to) {
  mkdirSync(to, { recursive: true })
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const words = ['pack', folder, '--pack-destination', to, '--json', '--ignore-scripts', '--workspaces=false']
  const text = execFileSync(npm, words, {
    encoding: 'utf8',
    cwd: to,
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: process.platform === 'win32',
  })
  const [{ filename }] = Object.values(JSON.parse(text))
  return join(to, filename.replace('@', '').replace('/', '-'))
}

/**
 * Packs everything, or of ONNX Runtime only what some systems need.
 *
 * @param {string} to
 * @param {readonly string[]} [wanted]
 * @returns {string[]} tarballs, in the order in which they are published
 */
export function packAll(to, wanted = systems) {
  if (!existsSync(join(root, 'dist', 'cli', 'main.js'))) throw new Error('run `npm run build` first')
  const engines = wanted.map(system => {
    const staged = join(to, 'packages', `onnxruntime-${system}`)
    stageEngine(system, staged)
    return staged
  })
  const artwork = join(to, 'packages', 'artwork')
  stageArtwork(artwork)
  return [...engines, artwork, root].map(folder => pack(folder, to))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const tarball of packAll(join(root, 'build'))) {
    const megabytes = (readFileSync(tarball).length / 1e6).toFixed(1)
    console.log(`${relative(root, tarball)}  ${megabytes} MB`)
  }
}
