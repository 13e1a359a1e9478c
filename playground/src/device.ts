import type { Choice } from './settings.ts'
import type { WebDevice } from './training/web-engine.ts'

interface GpuAdapter {
  readonly info?: { readonly isFallbackAdapter?: boolean; readonly architecture?: string }
}

/** WebGPU where there is a graphics card; software that imitates one is slower than WebAssembly. */
export async function deviceOf(wanted: Choice['device']): Promise<WebDevice> {
  if (wanted === 'wasm') return 'wasm'
  const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<GpuAdapter | null> } }
  const adapter = await gpu?.requestAdapter().catch(() => null)
  if (adapter === null || adapter === undefined) return 'wasm'
  const isImitated =
    adapter.info?.isFallbackAdapter === true || /swiftshader|llvmpipe/i.test(adapter.info?.architecture ?? '')
  return wanted === 'webgpu' || !isImitated ? 'webgpu' : 'wasm'
}
