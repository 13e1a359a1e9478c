import { readdirSync, readFileSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { rolldown } from 'rolldown'

/*
 * The command line in few files, so that a command begins in half the time: Node would look up several hundred one by one.
 * Whoever imports Moiety gets the files that tsc writes.
 *
 * All lies in dist/cli, as deep in the package as dist/run and dist/runtime, so that what code looks for beside itself
 * (`../../recipes`, the engine's `./worker.js`) is where it expects it.
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
  },
  platform: 'node',
  // Native or optional; they stay where npm put them.
  external: [/^onnxruntime-node/, /^sharp/, /^bullmq/, /^ioredis/],
})
const { output } = await bundle.write({
  dir: out,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
})

// What is copied brings its licence with it.
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
