import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { delimiter, extname, join } from 'node:path'

const named = process.env.CHROMIUM ?? ''

/** Where Chromium is, as PATH or the environment variable CHROMIUM says; undefined where there is none. */
export const chromiumFile: string | undefined =
  named !== ''
    ? named
    : (process.env.PATH ?? '')
        .split(delimiter)
        .flatMap(folder => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)))
        .find(file => existsSync(file))

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
}

/** Programs do not change while a test runs; other files do. */
const lasting = ['.wasm', '.js', '.mjs']

/** A server of files on this machine. */
export interface Site {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  close(): void
}

/**
 * Serves the files of some folders.
 *
 * @param folders - a file is taken from the first folder that has it
 */
export async function serve(folders: readonly string[]): Promise<Site> {
  const server = createServer(({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://localhost')
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname
    const file = folders.map(folder => join(folder, path)).find(one => existsSync(one))
    if (file === undefined) return response.writeHead(404).end()
    const headers = {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'cache-control': lasting.includes(extname(file)) ? 'max-age=3600' : 'no-store',
    }
    return response.writeHead(200, headers).end(readFileSync(file))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { origin: `http://127.0.0.1:${address.port}`, close: () => server.close() }
}
