import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
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
  // Native or optional; not bundled.
  external: [/^onnxruntime-node/, /^sharp/, /^bullmq/, /^ioredis/],
})
const { output } = await bundle.write({
  dir: out,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
})

await writeFile(`${out}/LICENSES.txt`, licences(output))

/*
 * The page of `moiety watch`: one script, one style sheet with the report's colours, as its policy wants it.
 */
const page = 'dist/watch/page'
await rm(page, { recursive: true, force: true })
await mkdir(page, { recursive: true })
const site = await rolldown({
  input: 'web/watch/main.ts',
  platform: 'browser',
  tsconfig: 'web/tsconfig.json',
})
const { output: scripts } = await site.write({ file: `${page}/app.js`, format: 'esm', minify: true })
const { expertShades, themeStyle } = await import('../dist/report/palette.js')
const experts = expertShades.map((_, i) => `.e${i}{--c:var(--e${i});--i:var(--e${i}-ink)}`)
const styles = ['node_modules/uplot/dist/uPlot.min.css', 'web/watch/style.css'].map(file =>
  readFileSync(file, 'utf8'),
)
await writeFile(`${page}/style.css`, [themeStyle(), ...experts, ...styles].join('\n'))
await writeFile(`${page}/LICENSES.txt`, licences(scripts))
for (const file of ['index.html', 'icon.svg']) await copyFile(`web/watch/${file}`, `${page}/${file}`)

/** Licences of the bundled packages. */
function licences(output) {
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
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}
