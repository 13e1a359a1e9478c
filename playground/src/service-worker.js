/*
 * Keeps the site for use without a network, and gives it the headers that isolate a page, so that WebAssembly has threads on any
 * web server. `npm run playground:build` puts the list of files and the version into it.
 */
const files = [
  /* files */
]
const cacheName = 'moiety-playground-/* version */'

self.addEventListener('install', () => self.skipWaiting())

self.addEventListener('activate', event => {
  const removeOld = async () => {
    const names = await caches.keys()
    await Promise.all(
      names
        .filter(name => name.startsWith('moiety-playground-') && name !== cacheName)
        .map(name => caches.delete(name)),
    )
    await self.clients.claim()
  }
  event.waitUntil(removeOld())
})

// The page says when its first step is taken: until then the network is its own.
self.addEventListener('message', event => {
  if (event.data !== 'keep') return
  const keep = async () => {
    const cache = await caches.open(cacheName)
    for (const file of files) {
      const address = new URL(file, self.registration.scope).href
      if ((await cache.match(address)) === undefined) await cache.add(address)
    }
    event.source?.postMessage('kept')
  }
  event.waitUntil(keep())
})

self.addEventListener('fetch', event => {
  const { request } = event
  const address = new URL(request.url)
  if (request.method !== 'GET' || address.origin !== self.location.origin) return
  event.respondWith(answer(request))
})

async function answer(request) {
  const cache = await caches.open(cacheName)
  const isPage = request.mode === 'navigate'
  const key = isPage ? new URL('index.html', self.registration.scope).href : request
  const kept = await cache.match(key, { ignoreSearch: isPage })
  // A page from the network is newer; other files have the version in their name or in the cache's.
  if (kept !== undefined && !isPage) return isolated(kept)
  try {
    const fetched = await fetch(request)
    if (fetched.ok) await cache.put(key, fetched.clone())
    return isolated(fetched)
  } catch (cause) {
    if (kept !== undefined) return isolated(kept)
    throw cause
  }
}

function isolated(response) {
  if (response.status === 0 || response.type === 'opaque') return response
  const headers = new Headers(response.headers)
  headers.set('Cross-Origin-Opener-Policy', 'same-origin')
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp')
  headers.set('Cross-Origin-Resource-Policy', 'same-origin')
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
}
