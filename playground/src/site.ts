/** The built site has a service worker, which keeps it for use without a network and isolates it, so that threads can share memory. */
declare const __BUILT__: boolean
const isBuilt = __BUILT__

/** How long the page waits for it before it begins without threads, in milliseconds. */
const patience = 4000

/** With fewer cores the two runs have a thread each, and more would not help. */
const coresForThreads = 4

/** Loads the page once more where that gives WebAssembly threads; with few cores, or without a service worker, it begins at once. */
export async function whenIsolated(): Promise<void> {
  const tried = 'moiety-isolating'
  const isUseful = isBuilt && !crossOriginIsolated && navigator.hardwareConcurrency >= coresForThreads
  if (!isUseful || !('serviceWorker' in navigator) || sessionStorage.getItem(tried) !== null) return
  sessionStorage.setItem(tried, 'yes')
  const ready = register().then(() => navigator.serviceWorker.ready)
  const isReady = await Promise.race([
    ready.then(() => true),
    new Promise<boolean>(resolve => setTimeout(() => resolve(false), patience)),
  ]).catch(() => false)
  if (!isReady) return
  location.reload()
  await new Promise(() => undefined)
}

/** Keeps all files, once there is time for it. */
export function keepSite(): void {
  if (!isBuilt || !('serviceWorker' in navigator)) return
  navigator.serviceWorker.addEventListener('message', ({ data }) => {
    if (data === 'kept') document.documentElement.dataset.offline = 'ready'
  })
  void register()
    .then(() => navigator.serviceWorker.ready)
    .then(({ active }) => active?.postMessage('keep'))
    .catch(() => undefined)
}

async function register(): Promise<ServiceWorkerRegistration> {
  return await navigator.serviceWorker.register(new URL('./service-worker.js', document.baseURI))
}
