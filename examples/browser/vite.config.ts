import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

// `npx vite examples/browser` serves the page, `npx vite build examples/browser` makes files of it that any server can serve.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  server: { fs: { allow: ['../..'] } },
  // ONNX Runtime finds its WebAssembly beside itself.
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  build: { target: 'es2022', outDir: 'dist', emptyOutDir: true, assetsInlineLimit: 0 },
})
