import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { visible } from '../base/escaping.ts'

/** Why a request is not answered. */
export interface Refusal {
  readonly status: number
  readonly text: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Who may ask a server for what. */
export interface GuardOptions {
  /** The address that the server is bound to. */
  readonly host: string
  readonly port: number
  /** Other names under which it may be called. */
  readonly allowedHosts: readonly string[]
  readonly token: string | undefined
}

const loopbackNames = ['localhost', '127.0.0.1', '::1']

/** Whether an address is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

const anyAddress = new Set(['0.0.0.0', '::'])

/** Names by which the server may be called: a page of another site may have a name that leads here, but not one of these. */
export function allowedNames({ host, allowedHosts }: Pick<GuardOptions, 'host' | 'allowedHosts'>): string[] {
  const own = anyAddress.has(host)
    ? [
        hostname(),
        ...Object.values(networkInterfaces()).flatMap(all => (all ?? []).map(({ address }) => address)),
      ]
    : [host]
  return [...loopbackNames, ...own, ...allowedHosts].map(name => name.toLowerCase())
}

/** The name in a Host header, without its port and the brackets of IPv6; undefined where it is none. */
function nameIn(header: string | undefined): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.%]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? []
  return (bracketed ?? plain)?.toLowerCase()
}

/** What requests are checked for, in this order, before anything else is done with them. */
export class Guard {
  readonly #names: ReadonlySet<string>
  readonly #token: Buffer | undefined
  readonly cookie: string

  constructor(options: GuardOptions) {
    this.#names = new Set(allowedNames(options))
    this.#token = options.token === undefined ? undefined : digest(options.token)
    // Cookies do not know ports.
    this.cookie = `moiety-watch-${options.port}`
  }

  /** Undefined for a request that may be answered. */
  refusal(request: IncomingMessage): Refusal | undefined {
    return this.#host(request) ?? this.#form(request) ?? this.#origin(request)
  }

  /**
   * Origin is absent in a GET of a page whose name was led here (DNS rebinding), so only Host shows it.
   */
  #host({ headersDistinct: { host = [] } }: IncomingMessage): Refusal | undefined {
    // With two of them, who asks and who answers might each mean another.
    const name = host.length === 1 ? nameIn(host[0]) : undefined
    if (name !== undefined && this.#names.has(name)) return undefined
    const shown = visible(host.join(', ').slice(0, 200))
    return {
      status: 403,
      text: `Blocked request. This host ("${shown}") is not allowed.\nTo allow it, start moiety watch with --allow-host ${name ?? 'NAME'}`,
    }
  }

  #form({ method, headers, url = '' }: IncomingMessage): Refusal | undefined {
    if (method !== 'GET' && method !== 'HEAD')
      return { status: 405, text: 'Only GET is possible.', headers: { allow: 'GET, HEAD' } }
    if ((headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] !== undefined)
      return { status: 413, text: 'A request has no body.' }
    // A path of this server, in plain letters: no %, no backslash, no .., no #, no address of another server.
    if (
      url.length > 8000 ||
      !/^\/(?!\/)[\w\-./]*(\?[\w\-.,=&~+%]*)?$/.test(url) ||
      /\/\.{1,2}(\/|$|\?)/.test(url)
    )
      return { status: 400, text: 'Not a path of this server.' }
    return undefined
  }

  /** Pages of other sites may link here, but not load anything from here. */
  #origin({ headers }: IncomingMessage): Refusal | undefined {
    const site = headers['sec-fetch-site']
    const isOther = site !== undefined && !['same-origin', 'none'].includes(String(site))
    if (!isOther || headers['sec-fetch-mode'] === 'navigate') return undefined
    return { status: 403, text: 'Blocked request. It comes from another site.' }
  }

  /** Whether a request has the token, by its cookie or as a bearer. */
  isAllowed({ headers }: IncomingMessage): boolean {
    if (this.#token === undefined) return true
    const bearer = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
    const cookies = (headers.cookie ?? '').split(/; */)
    const cookie = cookies.find(one => one.startsWith(`${this.cookie}=`))?.slice(this.cookie.length + 1)
    return this.isToken(bearer) || this.isToken(cookie)
  }

  isToken(given: string | null | undefined): boolean {
    if (this.#token === undefined || given === undefined || given === null) return false
    return timingSafeEqual(digest(given), this.#token)
  }
}

/** Of one length whatever is given, as a comparison in constant time needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
