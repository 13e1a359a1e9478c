import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { engineVersion } from '../src/runtime/onnxruntime.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'moiety-package-')))
const project = join(folder, 'project')
const system = `${process.platform}-${process.arch}`

/** In a network namespace of its own a process reaches nothing but itself. */
const isolated = ['unshare', '-rn', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'] as const
const canIsolate = spawnSync(isolated[0], [...isolated.slice(1), 'true']).status === 0

function run(words: readonly string[], cwd: string): string {
  const [program, ...rest] = [...(canIsolate ? isolated : []), process.execPath, ...words]
  // Where there is no namespace, whatever honours a proxy reaches nothing.
  const nowhere = 'http://127.0.0.1:9'
  const env = { ...process.env, HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, MOIETY_CACHE: undefined }
  return execFileSync(program!, rest, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

let tarball = ''
let installed: { readonly output: string; readonly asked: readonly string[] }
beforeAll(() => {
  const words = ['--input-type=module', '-e']
  const program = `import { packAll } from './scripts/pack.js'
    console.log(JSON.stringify(packAll(${JSON.stringify(folder)}, [${JSON.stringify(system)}])))`
  const tarballs: string[] = JSON.parse(
    execFileSync(process.execPath, [...words, program], { cwd: root, encoding: 'utf8' }),
  )
  tarball = tarballs.at(-1)!
  mkdirSync(project)
  installed = JSON.parse(run([join(root, 'scripts', 'install-package.js'), project, ...tarballs], root))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('npm install moiety in an empty project, with no host but a registry', () => {
  it('says nothing but that it is done', () => {
    expect(installed.output).toMatch(/^\s*added \d+ packages/)
    expect(installed.output).not.toMatch(/warn|deprecated/)
  })

  it('installs ONNX Runtime for this system alone, and runs no script', () => {
    const names = readdirSync(join(project, 'node_modules', '@moiety')).sort()
    expect(names).toEqual(['artwork', `onnxruntime-${system}`])
    const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'))
    expect(JSON.stringify(lock)).not.toContain('hasInstallScript')
    const tarballs = installed.asked.filter(path => path.includes('/-/') && path.endsWith('.tgz'))
    expect(tarballs.filter(path => path.startsWith('/@moiety/onnxruntime-')).length).toBe(1)
  })

  it('trains on the sample, which has the images that results were measured with', () => {
    const command = join(project, 'node_modules', '.bin', 'moiety')
    const words = [
      ...['train', '--out', 'run', '--set', 'training.epochs=1'],
      ...['--set', 'data.limit.train=64', '--set', 'data.limit.test=25'],
    ]
    expect(run([command, ...words], project)).toMatch(/Done in/)
    const cache = join(project, '.cache', 'moiety')
    const [drawn] = readdirSync(cache)
    // The file begins with a hash of its own, of 32 bytes.
    const pixels = readFileSync(join(cache, drawn!)).subarray(32)
    expect(createHash('sha256').update(pixels).digest('hex')).toBe(
      '88f30923ff1423fbb61e5b08c8f125f852070508f93f4e38bcafdc37bb46fec3',
    )
    const { onnxruntime } = JSON.parse(readFileSync(join(project, 'run', 'environment.json'), 'utf8'))
    expect(onnxruntime).toBe(engineVersion)
  })

  it('draws charts for documents, with the font that it brings', () => {
    const command = join(project, 'node_modules', '.bin', 'moiety')
    run([command, 'explain', 'run', '--charts', 'figures', '--permutations', '10'], project)
    const pdf = readFileSync(join(project, 'figures', 'layer4-information-84mm.pdf'), 'latin1')
    expect(pdf).toMatch(/\/BaseFont \/\w+\+DejaVuSansCondensed/)
    expect(pdf).toContain('/FontFile2')
  })

  it('says what to install where npm was told to leave optional dependencies out', () => {
    const [all, aside] = [join(project, 'node_modules', '@moiety'), join(folder, 'aside')]
    renameSync(all, aside)
    const command = join(project, 'node_modules', '.bin', 'moiety')
    const said = (...words: string[]) => {
      const options = { cwd: project, encoding: 'utf8' } as const
      const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...words], options)
      return { status, text: (stdout + stderr).replace(/\s+/g, ' ') }
    }
    const missing = `npm install @moiety/onnxruntime-${system}@${engineVersion}`
    expect(said('doctor')).toEqual({ status: 2, text: expect.stringContaining(missing) })
    mkdirSync(all)
    renameSync(join(aside, `onnxruntime-${system}`), join(all, `onnxruntime-${system}`))
    rmSync(join(project, '.cache'), { recursive: true })
    const sample = expect.stringContaining('npm install @moiety/artwork')
    expect(said('train')).toEqual({ status: 3, text: sample })
    renameSync(join(aside, 'artwork'), join(all, 'artwork'))
  })

  it('gives subpath exports for browsers whose types need no types of Node', () => {
    const names = ['graph', 'nn', 'moe', 'models', 'step']
    writeFileSync(
      join(project, 'consumer.ts'),
      [
        ...names.map(name => `import * as ${name} from 'moiety/${name}'`),
        `export const all = [${names.join(', ')}]`,
        // Types are there, and not any.
        '// @ts-expect-error',
        'nn.linear(0)',
      ].join('\n'),
    )
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    const compilerOptions = {
      ...{ module: 'esnext', moduleResolution: 'bundler', target: 'ES2023', strict: true, noEmit: true },
      ...{ types: [], lib: ['ES2023', 'DOM', 'DOM.Iterable'], skipLibCheck: false },
    }
    const files = ['consumer.ts']
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' })
    expect(stdout).toBe('')
  })
})

describe('the package', () => {
  it('is small', () => {
    const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n')
    // 0.6 MB of it are for charts as PDF: a font, pdfkit and fontkit.
    expect(readFileSync(tarball).length).toBeLessThan(2.7e6)
    expect(names.length).toBeLessThan(300)
    expect(names.filter(name => /\.map$|\.test\.|\/internal\//.test(name))).toEqual([])
    expect(names).toEqual(
      expect.arrayContaining(['package/LICENSE', 'package/THIRD_PARTY_NOTICES.txt', 'package/README.md']),
    )
  })

  it('has nothing that publint finds fault with', async () => {
    const bytes = readFileSync(tarball)
    const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
    const { messages } = await publint({ pack: { tarball: data }, strict: true })
    expect(messages).toEqual([])
  })

  it('has types that Are The Types Wrong finds right, for programs of ES modules', async () => {
    const analysis = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
    if (!analysis.types) throw new Error('no types')
    // Its profile "esm-only": a CommonJS program loads the package by import(), and resolution of before 2020 knows no subpaths.
    const left = analysis.problems.filter(
      problem => !('resolutionKind' in problem && ['node10', 'node16-cjs'].includes(problem.resolutionKind)),
    )
    expect(left).toEqual([])
  })
})
