import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from '../base/errors.ts'
import { codeOf } from '../files/disk.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { scriptHash } from '../report/script.ts'
import { curvesOf, detailsOf, knownOf, rangeOf } from './answers.ts'
import { EventStream, type StreamLimits } from './event-stream.ts'
import type { WatchedFolder } from './find-runs.ts'
import { Guard, isLoopback } from './guard.ts'
import { Watcher, type WatcherOptions } from './watcher.ts'

/** How {@link startWatching} serves. */
export interface ServerOptions {
  readonly folders: readonly WatchedFolder[]
  /** Default: 127.0.0.1. */
  readonly host?: string
  /** 0 for any; undefined for the usual one, or any where it is taken. */
  readonly port?: number | undefined
  readonly token?: string | undefined
  /** Names, other than the machine's own, under which the server may be called. */
  readonly allowedHosts?: readonly string[]
  /** The folder of the page; default: as it is built. */
  readonly page?: string
  readonly watcher?: WatcherOptions
  readonly stream?: Partial<StreamLimits>
  /** Milliseconds that a client may take to send its request. */
  readonly patience?: number
  /** Receives what a request has failed with: a bug. */
  readonly onError?: (error: unknown) => void
}

/** A dashboard that is being served. */
export interface WatchServer {
  /** To be opened in a browser; with the token, if there is one. */
  readonly address: string
  readonly host: string
  readonly port: number
  readonly watcher: Watcher
  close(): Promise<void>
}

/** The port where none is given. */
export const usualPort = 7007

/** From `src/watch` as from `dist/chunks`. */
const builtPage = fileURLToPath(new URL('../../dist/watch/page/', import.meta.url))

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
}

/** What the page may do: nothing but load its own files and ask this server. */
const pagePolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/**
 * What a report may do: show what is in it, and run the one script that Moiety's reports have. In a sandbox, so that it is no page of
 * this server: its file may come from anybody.
 */
const reportPolicy = [
  "default-src 'none'",
  'img-src data:',
  "style-src 'unsafe-inline'",
  `script-src '${scriptHash()}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  'sandbox allow-scripts',
].join('; ')

const everyAnswer = {
  'content-security-policy': pagePolicy,
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
} as const

/** Connections at once, and answers that read logs at once. */
const mostConnections = 128
const mostReading = 4

/**
 * Serves a dashboard of the runs in some folders. It reads files and changes none.
 *
 * @throws MoietyError `usage` where others than this machine could reach it without a token, or the port is taken
 */
export async function startWatching(options: ServerOptions): Promise<WatchServer> {
  const { host = '127.0.0.1', token, port } = options
  refuseOpen(host, token)
  const page = pageFiles(options.page ?? builtPage)
  const server = createServer({
    connectionsCheckingInterval: Math.min(1000, options.patience ?? 1000),
    headersTimeout: options.patience ?? 5000,
    requestTimeout: options.patience ?? 5000,
    keepAliveTimeout: 5000,
  })
  server.maxConnections = mostConnections
  // Of a connection on which nothing happens; the stream of events has a heartbeat.
  server.setTimeout(60_000)
  const bound = await listen(server, host, port)
  const watcher: Watcher = new Watcher(options.folders, () => stream.clients > 0, options.watcher)
  const stream = new EventStream(() => watcher.overview, options.stream)
  watcher.on('overview', overview => stream.send('overview', overview))
  watcher.on('runs', rows => stream.send('runs', rows))
  const { allowedHosts = [] } = options
  const guard = new Guard({ host, port: bound, allowedHosts, token })
  const dashboard = new Dashboard(watcher, stream, guard, page)
  server.on('request', (request, response) => {
    dashboard.answer(request, response).catch((error: unknown) => {
      options.onError?.(error)
      if (response.headersSent) response.destroy()
      else refuse(response, { status: 500, text: 'A bug in Moiety: see where moiety watch was started.' })
    })
  })
  await watcher.look()
  const following = watcher.follow()
  following.catch(error => options.onError?.(error))
  const name = host.includes(':') ? `[${host}]` : host
  return {
    address: `http://${name}:${bound}/${token === undefined ? '' : `?token=${token}`}`,
    ...{ host, port: bound, watcher },
    close: async () => {
      watcher.stop()
      stream.close()
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, following])
    },
  }
}

function refuseOpen(host: string, token: string | undefined): void {
  if (token !== undefined && !/^[\w.~-]{16,200}$/.test(token))
    fail({
      kind: 'usage',
      message: `expected a token of 16 to 200 letters, digits, - . _ or ~, came one of ${token.length} characters`,
      where: '--token',
      help: 'leave its value out, and one is made',
    })
  if (isLoopback(host) || token !== undefined) return
  fail({
    kind: 'usage',
    message: `expected a token, for ${host} can be reached from other machines`,
    where: '--host',
    help: 'add --token, which makes one, or leave --host out: then only this machine can open the page',
  })
}

/** All files of the page, by their names: no request ever becomes a path. */
function pageFiles(folder: string): ReadonlyMap<string, Buffer> {
  return new Map(readdirSync(folder).map(name => [name, readFileSync(join(folder, name))]))
}

async function listen(server: Server, host: string, port: number | undefined): Promise<number> {
  const on = (number: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const failed = (cause: Error): void => reject(cause)
      server.once('error', failed)
      server.listen({ host, port: number, exclusive: true }, () => {
        server.off('error', failed)
        const address = server.address()
        resolve(address === null || typeof address === 'string' ? number : address.port)
      })
    })
  try {
    return await on(port ?? usualPort)
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'EADDRINUSE' && port === undefined) return await on(0)
    const reasons: Readonly<Record<string, readonly [string, string]>> = {
      EADDRINUSE: [
        `expected a free port, ${port} is in use on ${host}`,
        'choose another --port, 0 for any, or end what uses it',
      ],
      EACCES: [`port ${port} needs rights that this process does not have`, 'choose a --port above 1023'],
      EADDRNOTAVAIL: [`expected an address of this machine, came ${host}`, 'choose another --host'],
      ENOTFOUND: [`expected an address of this machine, came ${host}`, 'choose another --host'],
    }
    const [message, help] = reasons[code ?? ''] ?? []
    if (message === undefined || help === undefined) throw cause
    return fail({
      kind: 'usage',
      message,
      where: code === 'EADDRINUSE' || code === 'EACCES' ? '--port' : '--host',
      help,
      cause,
    })
  }
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer without content of a run. The connection is closed, so that nothing more of the request is read. */
function refuse(response: ServerResponse, { status, text, headers = {} }: Answer): void {
  response.writeHead(status, {
    ...everyAnswer,
    'content-type': 'text/plain; charset=utf-8',
    connection: 'close',
    ...headers,
  })
  response.end(`${text}\n`)
}

class Dashboard {
  #reading = 0
  readonly #waiting: (() => void)[] = []

  constructor(
    readonly watcher: Watcher,
    readonly stream: EventStream,
    readonly guard: Guard,
    readonly page: ReadonlyMap<string, Buffer>,
  ) {}

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refusal = this.guard.refusal(request)
    if (refusal !== undefined) return refuse(response, refusal)
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/' && this.guard.isToken(searchParams.get('token')))
      return refuse(response, {
        status: 303,
        text: 'The token is right.',
        headers: {
          location: '/',
          'set-cookie': `${this.guard.cookie}=${searchParams.get('token')}; HttpOnly; SameSite=Strict; Path=/`,
        },
      })
    if (!this.guard.isAllowed(request))
      return refuse(response, {
        status: 401,
        text: 'Expected a token. Open the address that moiety watch has printed, which has it.',
      })
    await this.#route(pathname, searchParams, request, response)
  }

  async #route(
    path: string,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const file = path === '/' ? 'index.html' : /^\/assets\/([\w-]+\.\w+)$/.exec(path)?.[1]
    const content = file === undefined ? undefined : this.page.get(file)
    if (file !== undefined && content !== undefined)
      return send(request, response, types[extname(file)] ?? 'application/octet-stream', content)
    if (path === '/api/events') return this.#follow(request, response)
    const layers = query.get('layers') === '1'
    if (path === '/api/curves') {
      const known = knownOf(query.get('runs'))
      return this.#json(request, response, () => curvesOf(this.watcher, known, layers))
    }
    if (path === '/api/range') {
      const ids = knownOf(query.get('runs')).map(({ id }) => id)
      const [from, to, points] = ['from', 'to', 'points'].map(name => Number(query.get(name)))
      if (![from, to, points].every(value => Number.isFinite(value) && value! >= 0))
        return refuse(response, { status: 400, text: 'Expected from, to and points as numbers.' })
      const range = { from: from!, to: to!, points: points!, layers }
      return this.#json(request, response, () => rangeOf(this.watcher, ids, range))
    }
    const [, details] = /^\/api\/runs\/([0-9a-f]{12})$/.exec(path) ?? []
    if (details !== undefined) return this.#json(request, response, () => detailsOf(this.watcher, details))
    const [, of, strip] = /^\/api\/runs\/([0-9a-f]{12})\/strips\/(\d{1,6})$/.exec(path) ?? []
    if (of !== undefined) {
      const png = await this.#inTurn(async () => (await this.watcher.run(of)?.strips())?.png(Number(strip)))
      if (png !== undefined) return send(request, response, 'image/png', png)
    }
    const [, reported] = /^\/runs\/([0-9a-f]{12})\/report\.html$/.exec(path) ?? []
    if (reported !== undefined) {
      const report = await this.#report(reported)
      if (report !== undefined)
        return send(request, response, types['.html']!, report, {
          'content-security-policy': reportPolicy,
        })
    }
    refuse(response, { status: 404, text: 'There is nothing here.' })
  }

  #follow(request: IncomingMessage, response: ServerResponse): void {
    if (this.stream.isFull) {
      refuse(response, {
        status: 503,
        text: 'Too many pages follow this server. Close some of them.',
        headers: { 'retry-after': '10' },
      })
      return
    }
    response.writeHead(200, { ...everyAnswer, 'content-type': 'text/event-stream; charset=utf-8' })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    const id = request.headers['last-event-id']
    this.stream.add(response, typeof id === 'string' ? id : undefined)
    this.watcher.wake()
  }

  async #json(
    request: IncomingMessage,
    response: ServerResponse,
    make: () => Promise<unknown>,
  ): Promise<void> {
    const value = await this.#inTurn(make)
    if (value === undefined) return refuse(response, { status: 404, text: 'There is no such run.' })
    send(request, response, 'application/json', Buffer.from(JSON.stringify(value)))
  }

  async #report(id: string): Promise<Buffer | undefined> {
    const file = await this.watcher.run(id)?.open('report.html')
    if (file === undefined) return undefined
    try {
      return (await file.stat()).size > 8 * sizeLimits.report ? undefined : await file.readFile()
    } finally {
      await file.close()
    }
  }

  /** Few read logs at once; others wait. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#reading >= mostReading) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#reading += 1
    try {
      return await this.watcher.logs.before(work)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#reading -= 1
      else next()
    }
  }
}

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  type: string,
  content: Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(200, {
    ...everyAnswer,
    ...headers,
    'content-type': type,
    'content-length': content.length,
  })
  response.end(method === 'HEAD' ? undefined : content)
}
