import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const manifest: { readonly version: string } = require('onnxruntime-node/package.json')

/** Version of the ONNX Runtime that is installed, known without loading it. */
export const engineVersion = manifest.version
