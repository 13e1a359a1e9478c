// @ts-check
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { rolldown } from 'rolldown'
import { dts } from 'rolldown-plugin-dts'

/*
 * Builds dist/: one file a subpath export and a program, and what they share in dist/chunks, so that a command starts in half the
 * time (Node would load several hundred files one by one) and the package is small. Types likewise.
 *
 * Everything is two folders deep, as in src/, so relative paths (`../../recipes`) are valid.
 * `npm run build -- --sourcemap` writes source maps for debugging; they are never published.
 */
const require = createRequire(import.meta.url)
/** @type {{ exports: Record<string, { default: string } | string>, dependencies: object, optionalDependencies: object }} */
const manifest = require('../package.json')

/** Subpath exports by file in dist/, without `.js`; their sources are the index files of folders. */
const exported = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [{ subpath, output: target.default.slice('./dist/'.length, -'.js'.length) }],
)
/** @param {string} subpath @param {string} folder @param {string} ending */
const indexOf = (subpath, folder, ending) =>
  `${folder}/${subpath === '.' ? '' : `${subpath.slice('./'.length)}/`}index.${ending}`

/** Started as processes and threads. */
const programs = [
  'cli/main',
  'cli/commands',
  'runtime/worker',
  'runtime/probe',
  'train/probe-process',
  'train/batch-process',
]
/** For tests and scripts that cannot load TypeScript; not published (`files` in package.json). */
const internal = [
  'base/random',
  'base/tensor',
  'data/artwork',
  'data/detection/scene-classes',
  'optim/index',
  'report/palette',
  'runtime/c-api/library',
  'runtime/c-api/native-runtime',
  'runtime/node-binding',
  'runtime/plain-ops',
  'runtime/session',
  'tasks/classification/classification-objective',
  'tasks/classifier-of',
  'tasks/multi-label/multi-label-objective',
  'train/probe-step',
  'train/training-programs',
]

/** Installed with Moiety, not bundled: native, optional, or imported by users as well. */
const external = [
  /^node:/,
  // What msgpackr tries first, with an install script; it works without.
  /^msgpackr-extract/,
  ...[...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)].map(
    name => new RegExp(`^${name}(/|$)`),
  ),
]

const types = './.cache/types'
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
await rm('dist', { recursive: true, force: true })

const code = await rolldown({
  input: Object.fromEntries([
    ...exported.map(({ subpath, output }) => [output, indexOf(subpath, 'src', 'ts')]),
    ...[...programs, ...internal].map(name => [name, `src/${name}.ts`]),
  ]),
  platform: 'node',
  external,
})
const { output } = await code.write({
  dir: 'dist',
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'chunks/[name]-[hash].js',
  sourcemap: process.argv.includes('--sourcemap'),
})

// The page of `moiety watch`: one script, and one style sheet with the report's colours, as its policy wants it.
const page = 'dist/watch/page'
const site = await rolldown({
  input: 'web/watch/main.ts',
  platform: 'browser',
  tsconfig: 'web/tsconfig.json',
})
const { output: scripts } = await site.write({ file: `${page}/app.js`, format: 'esm', minify: true })
const { expertShades, themeStyle } = await import(new URL('../dist/report/palette.js', import.meta.url).href)
const experts = Array.from(expertShades, (_, i) => `.e${i}{--c:var(--e${i});--i:var(--e${i}-ink)}`)
const styles = ['node_modules/uplot/dist/uPlot.min.css', 'web/views/base.css', 'web/watch/style.css'].map(
  file => readFileSync(file, 'utf8'),
)
await writeFile(`${page}/style.css`, [themeStyle(), ...experts, ...styles].join('\n'))
for (const file of ['index.html', 'icon.svg']) await copyFile(`web/watch/${file}`, `${page}/${file}`)

// What charts as PDF are lettered in (src/report/svg-to-pdf.ts).
const fonts = 'dejavu-fonts-ttf'
await mkdir('dist/report/fonts', { recursive: true })
const font = 'DejaVuSansCondensed.ttf'
await copyFile(`node_modules/${fonts}/ttf/${font}`, `dist/report/fonts/${font}`)

// For scripts/notices.js: whose work is in dist/.
const modules = [...output, ...scripts].flatMap(part => (part.type === 'chunk' ? part.moduleIds : []))
const bundled = modules.flatMap(
  id => /node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(id.replaceAll('\\', '/'))?.[0] ?? [],
)
await writeFile(
  '.cache/bundled.json',
  JSON.stringify([...new Set([...bundled, `node_modules/${fonts}`])].sort()),
)

const declarations = await rolldown({
  input: Object.fromEntries(exported.map(({ subpath, output }) => [output, indexOf(subpath, types, 'd.ts')])),
  external,
  plugins: dts({ dtsInput: true, tsconfig: false }),
})
await declarations.write({
  dir: 'dist',
  format: 'esm',
  entryFileNames: '[name].d.ts',
  chunkFileNames: 'chunks/[name]-[hash].d.ts',
})
