import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { siteFiles } from './site-files.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const { version, devDependencies } = JSON.parse(readFileSync(here('../package.json'), 'utf8'))

/** Memory is shared between threads only in pages that are isolated; the built site has it from its service worker. */
const isolating = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

// `npm run playground` serves the page, `npm run playground:build` makes files of it that any server can serve.
export default defineConfig(({ command }) => ({
  root: here('.'),
  base: './',
  plugins: [siteFiles()],
  define: {
    __VERSION__: JSON.stringify(version),
    __BUILT__: JSON.stringify(command === 'build'),
    __ONNXRUNTIME__: JSON.stringify(devDependencies['onnxruntime-web']),
  },
  resolve: {
    alias: [{ find: /^moiety\/(\w+)$/, replacement: `${here('../src')}/$1/index.ts` }],
    // ONNX Runtime's code and its WebAssembly are files of their own: its threads load them.
    conditions: ['onnxruntime-web-use-extern-wasm', 'module', 'browser', 'development|production'],
  },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  server: { fs: { allow: ['..'] }, headers: isolating },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
}))
