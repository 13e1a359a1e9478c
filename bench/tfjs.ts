import type { PackageFolder } from './alternative-packages.js'

/** WebAssembly, TensorFlow's library in Node, or JavaScript alone. */
export type TfjsBackend = 'wasm' | 'tensorflow' | 'cpu'

/** TensorFlow.js on one of its backends, and the threads that it takes. */
export async function tfjs(
  packages: PackageFolder,
  backend: TfjsBackend,
  threads: number,
  // biome-ignore lint/suspicious/noExplicitAny: the packages are not installed here, nor are their types
): Promise<{ readonly tf: any; readonly used: number | null }> {
  const tf = packages.load(backend === 'tensorflow' ? '@tensorflow/tfjs-node' : '@tensorflow/tfjs')
  if (backend === 'wasm') packages.load('@tensorflow/tfjs-backend-wasm').setThreadsCount(threads)
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js does not start its backend ${backend}`)
  await tf.ready()
  if (backend === 'tensorflow') return { tf, used: null }
  const hasThreads = backend === 'wasm' && (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT'))
  return { tf, used: hasThreads ? threads : 1 }
}
