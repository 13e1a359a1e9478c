import { rm } from 'node:fs/promises'
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
  input: { main: 'src/cli/main.ts', worker: 'src/runtime/worker.ts', probe: 'src/runtime/probe.ts' },
  platform: 'node',
  // Native or optional; they stay where npm put them.
  external: [/^onnxruntime-node/, /^sharp/, /^bullmq/, /^ioredis/],
})
await bundle.write({
  dir: out,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  sourcemap: true,
})
