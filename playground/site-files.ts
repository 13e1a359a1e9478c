import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { expertShades, themeStyle } from '../src/step/index.ts'
import { packSample } from './pack-sample.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** ONNX Runtime's WebAssembly: of the processor alone, and with WebGPU. */
const runtimes = ['ort-wasm-simd-threaded', 'ort-wasm-simd-threaded.asyncify']

/** Packages of which something is in the site: code, or drawings in the sample. */
const packages = [
  'onnxruntime-web',
  'onnxruntime-common',
  '@bufbuild/protobuf',
  'zod',
  'fastest-levenshtein',
  'fflate',
  '@noble/hashes',
  '@moiety/artwork',
]

/** Whatever has the class of an expert has its colours. */
const ofExperts = expertShades.map((_, i) => `.e${i}{--c:var(--e${i});--i:var(--e${i}-ink)}`)

type Content = string | Uint8Array

/** Files that no source imports: the packed sample, ONNX Runtime, licences. */
async function files(): Promise<ReadonlyMap<string, Content>> {
  const { facts, pixels } = await packSample()
  const runtime = runtimes.flatMap(name =>
    ['mjs', 'wasm'].map(
      ending =>
        [
          `ort/${name}.${ending}`,
          readFileSync(join(root, 'node_modules/onnxruntime-web/dist', `${name}.${ending}`)),
        ] as const,
    ),
  )
  return new Map<string, Content>([
    ['sample.json', facts],
    ['sample.bin', pixels],
    ...runtime,
    ['LICENSES.txt', licences()],
  ])
}

function licences(): string {
  const attribution = readFileSync(join(root, 'ATTRIBUTION.md'), 'utf8')
  const texts = packages.map(name => {
    const folder = join(root, 'node_modules', name)
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find(one => /^licen[cs]e(\.\w+)?$/i.test(one))
    const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
    return `${name} ${version} (${license ?? 'see its text'})\n${text}`
  })
  const line = `\n${'='.repeat(80)}\n\n`
  return [attribution, ...texts].join(line)
}

const types: Readonly<Record<string, string>> = {
  json: 'application/json',
  mjs: 'text/javascript',
  wasm: 'application/wasm',
  txt: 'text/plain; charset=utf-8',
}

/** Serves those files while developing, and writes them, and the service worker with the list of all, into the site. */
export function siteFiles(): Plugin {
  let ready: Promise<ReadonlyMap<string, Content>> | undefined
  const once = () => {
    ready ??= files()
    return ready
  }
  return {
    name: 'site files',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const name = new URL(request.url ?? '/', 'http://localhost').pathname.slice(1)
        once()
          .then(all => {
            const content = all.get(name)
            if (content === undefined) return next()
            response.setHeader('content-type', types[name.split('.').at(-1)!] ?? 'application/octet-stream')
            response.end(content)
          })
          .catch(next)
      })
    },
    // In the page itself, so that nothing is drawn before its colours are there.
    transformIndexHtml: () => [
      { tag: 'style', children: [themeStyle(), ...ofExperts].join('\n'), injectTo: 'head-prepend' },
    ],
    async generateBundle(_, bundle) {
      const all = await once()
      for (const [fileName, source] of all) this.emitFile({ type: 'asset', fileName, source })
      const served = [...Object.keys(bundle), ...all.keys(), 'index.html'].filter(
        (name, i, names) => names.indexOf(name) === i && !name.endsWith('.map'),
      )
      const hash = createHash('sha256')
      for (const [name, part] of Object.entries(bundle))
        hash.update(name).update('code' in part ? part.code : part.source)
      for (const content of all.values()) hash.update(content)
      const worker = readFileSync(
        join(dirname(fileURLToPath(import.meta.url)), 'src/service-worker.js'),
        'utf8',
      )
      // What needs a graphics card is kept once it has been fetched.
      const kept = served.filter(name => !name.includes('asyncify'))
      const listed = worker
        .replace('[/* files */]', JSON.stringify(kept.map(name => `./${name}`)))
        .replace('/* version */', hash.digest('hex').slice(0, 16))
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source: listed })
    },
  }
}
