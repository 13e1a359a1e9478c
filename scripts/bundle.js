import { readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { rolldown } from 'rolldown'

/*
 * Bundles the command line into few files, so that a command starts in half the time: Node would load several hundred one by one.
 * Library users import the files that tsc writes.
 *
 * The output is in dist/cli, at the same depth as dist/run and dist/runtime, so that relative paths
 * (`../../recipes`, the engine's `./worker.js`) are valid.
 */
const out = 'dist/cli'
await rm(out, { recursive: true, force: true })
const bundle = await rolldown({
  input: {
    main: 'src/cli/main.ts',
    commands: 'src/cli/commands.ts',
    worker: 'src/runtime/worker.ts',
    probe: 'src/runtime/probe.ts',
    'probe-process': 'src/train/probe-process.ts',
    'batch-process': 'src/train/batch-process.ts',
  },
  platform: 'node',
  // Native, optional or with files of data; not bundled.
  external: [/^onnxruntime-node/, /^pdfkit/, /^sharp/, /^bullmq/, /^ioredis/],
})
const { output } = await bundle.write({
  dir: out,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
})

// Licences of the bundled packages.
const modules = output.flatMap(part => (part.type === 'chunk' ? part.moduleIds : []))
const packages = modules.flatMap(
  module =>
    /^.*\/node_modules\/(@[^/]+\/[^/]+|[^@/][^/]*)/.exec(module.replaceAll('\\', '/'))?.slice(0, 1) ?? [],
)
const texts = [...new Set(packages)].sort().map(folder => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
  const file = readdirSync(folder).find(entry => /^(licen[cs]e|copying)/i.test(entry))
  const text = file === undefined ? String(license) : readFileSync(`${folder}/${file}`, 'utf8').trim()
  return `${name} ${version}\n\n${text}\n`
})
await writeFile(`${out}/LICENSES.txt`, texts.join(`\n${'-'.repeat(80)}\n\n`))
