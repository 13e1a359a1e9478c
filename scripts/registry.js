// @ts-check
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { create, list } from 'tar'

/*
 * An npm registry on loopback, for trying what `npm install moiety` does where nothing else can be reached. It has the given tarballs, and of
 * package-lock.json every other package: with the facts of the lock file and, of those installed here, their files.
 */
const root = fileURLToPath(new URL('..', import.meta.url))

/** @param {Buffer} bytes */
const integrity = bytes => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

/** @param {string} tarball @returns {{ name: string, version: string }} */
function manifestIn(tarball) {
  let text = ''
  list({
    file: tarball,
    sync: true,
    filter: path => path === 'package/package.json',
    onReadEntry: entry => entry.on('data', part => (text += part)),
  })
  return JSON.parse(text)
}

/**
 * @param {readonly string[]} tarballs
 * @returns {Promise<{ url: string, asked: string[], close: () => void }>} `asked`: the path of every request
 */
export async function startRegistry(tarballs) {
  /** @type {Map<string, { manifest: any, here: boolean, bytes: () => Buffer }>} */
  const packages = new Map()
  const { packages: locked } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  for (const [place, facts] of Object.entries(locked)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(place)?.[1]
    if (name === undefined || facts.link) continue
    const manifest = { ...facts, name, scripts: facts.hasInstallScript ? { install: 'exit 1' } : {} }
    packages.set(name, {
      manifest,
      here: existsSync(join(root, place)),
      bytes: () => tarballOf(join(root, place)),
    })
  }
  for (const tarball of tarballs) {
    const manifest = manifestIn(tarball)
    packages.set(manifest.name, { manifest, here: true, bytes: () => readFileSync(tarball) })
  }

  /** @type {string[]} */
  const asked = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '/').split('?')[0])
    asked.push(path)
    const [, name = '', file] = /^\/((?:@[^/]+\/)?[^/]+)(\/-\/.+)?$/.exec(path) ?? []
    const found = packages.get(name)
    if (found === undefined) return response.writeHead(404).end('{}')
    const { manifest, here, bytes } = found
    if (file !== undefined) return here ? response.end(bytes()) : response.writeHead(404).end()
    const { version } = manifest
    const dist = {
      tarball: `http://${request.headers.host}/${name}/-/${version}.tgz`,
      integrity: here ? integrity(bytes()) : manifest.integrity,
    }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { ...manifest, dist } },
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/`, asked, close: () => server.close() }
}

/** @type {Map<string, Buffer>} */
const packed = new Map()

/** @param {string} folder of an installed package */
function tarballOf(folder) {
  const before = packed.get(folder)
  if (before !== undefined) return before
  const options = { cwd: dirname(folder), gzip: { level: 1 }, portable: true, sync: true, mtime: new Date(0) }
  const name = folder.slice(dirname(folder).length + 1)
  const stream = create(
    {
      ...options,
      prefix: '',
      filter: path => !path.includes('/node_modules/'),
      onWriteEntry: entry => {
        entry.path = entry.path.replace(name, 'package')
      },
    },
    [name],
  )
  const bytes = Buffer.from(/** @type {Uint8Array} */ (stream.read()))
  packed.set(folder, bytes)
  return bytes
}
