import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { engineFolder, engineVersion } from './onnxruntime.ts'

/** A part of what ONNX Runtime computes on CUDA with. */
export interface CudaPart {
  readonly what: string
  readonly help: string
  /** Shared libraries, by the names by which they are loaded. */
  readonly libraries: readonly string[]
}

/** In the order in which they are needed. ONNX Runtime says of none of them which one it missed. */
const parts: readonly CudaPart[] = [
  {
    what: 'the NVIDIA driver',
    help: 'install the driver of the graphics card, 525 or newer; in a container, start it with the GPU',
    libraries: ['libcuda.so.1'],
  },
  {
    what: "ONNX Runtime's CUDA provider",
    help: `npm install onnxruntime-node@${engineVersion} --ignore-scripts && ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js downloads it`,
    libraries: ['libonnxruntime_providers_cuda.so'],
  },
  {
    what: 'CUDA 12',
    help: 'install the CUDA 12 toolkit, or add the folder of its libraries to LD_LIBRARY_PATH',
    libraries: [
      'libcudart.so.12',
      'libcublasLt.so.12',
      'libcublas.so.12',
      'libcufft.so.11',
      'libcurand.so.10',
    ],
  },
  {
    what: 'cuDNN 9',
    help: 'install cuDNN 9 for CUDA 12, or add the folder of its libraries to LD_LIBRARY_PATH',
    libraries: ['libcudnn.so.9'],
  },
]

/** What is missing: parts with the libraries of theirs that are. */
export function missingCudaParts(isThere: (library: string) => boolean = canLoad): CudaPart[] {
  return parts.flatMap(part => {
    const libraries = part.libraries.filter(library => !isThere(library))
    return libraries.length === 0 ? [] : [{ ...part, libraries }]
  })
}

/** Whether the system finds a library. To be called in a process that may be lost: what is loaded runs. */
export function canLoad(library: string): boolean {
  if (library.startsWith('libonnxruntime')) return isBesideEngine(library)
  try {
    process.dlopen({ exports: {} }, library)
    return true
  } catch (error) {
    // One that is there is no module of Node's, which is another error.
    return !String(error).includes(`${library}: cannot open shared object file`)
  }
}

function isBesideEngine(library: string): boolean {
  try {
    const files = readdirSync(join(engineFolder(), 'bin'), { recursive: true, encoding: 'utf8' })
    return files.some(file => file.endsWith(join(process.platform, process.arch, library)))
  } catch {
    return false
  }
}
