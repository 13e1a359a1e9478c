import { fail } from '../base/errors.ts'
import { systemFailure } from '../files/disk.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'

/** The address of a queue. Only `options` has the password: `shown` is for display and logs. */
export interface QueueAddress {
  /** `redis://HOST:PORT/DB`, without user and password. */
  readonly shown: string
  readonly options: {
    readonly host: string
    readonly port: number
    readonly db: number
    readonly username?: string
    readonly password?: string
    /** With TLS the server's certificate must be for that name, or, where the address is a number, for that. */
    readonly tls?: { readonly servername?: string }
  }
}

/** The variable that holds the URL, which trainings do not inherit. */
export const queueVariable = 'MOIETY_QUEUE'

const defaultPort = 6379

/** The expected URL; no message repeats any part of it, because it may contain a password. */
const form = `write redis://USER:PASSWORD@HOST:${defaultPort}/0, or rediss:// for TLS; in a password % / @ : # ? are written %25 %2F %40 %3A %23 %3F`

function refuse(message: string, where: string): never {
  return fail({ kind: 'usage', message, where, help: form })
}

/**
 * Reads the URL of a queue.
 *
 * @param where - its source, such as `--queue`
 * @throws MoietyError `usage`, never with any part of the URL
 */
export function parseQueueAddress(text: string, where: string): QueueAddress {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol))
    return refuse('expected the URL of a Redis, got something else', where)
  if (url.hash !== '' || url.search !== '') refuse('expected a URL without # and ?, got one with them', where)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (host === '') refuse('expected a URL with a host, got one without', where)
  const database = /^\/?(\d{0,4})$/.exec(url.pathname)?.[1]
  if (database === undefined) return refuse('expected the number of a database after the host', where)
  const db = Number(database)
  const port = url.port === '' ? defaultPort : Number(url.port)
  const [username, password] = [decoded(url.username, where), decoded(url.password, where)]
  return {
    shown: `${url.protocol}//${url.hostname}:${port}/${db}`,
    options: {
      host,
      port,
      db,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(url.protocol === 'rediss:' ? { tls: /[a-z]/i.test(host) ? { servername: host } : {} } : {}),
    },
  }
}

function decoded(text: string, where: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse('user or password of the URL are not encoded correctly', where)
  }
}

/** Whether an argument looks like a queue's URL, and so may contain a password, at any position. */
export const looksLikeQueue = (word: string): boolean => /^\s*rediss?:/i.test(word)

/** Text without the user and password of such a URL; in malformed URLs, rather too much is removed. */
export const withoutPassword = (text: string): string => text.replace(/(rediss?:\/*)[^\n]*@/gi, '$1…@')

/** Possible sources of the URL. */
export interface QueueSources {
  /** The option's URL; true where it was given without one. */
  readonly url?: string | true | undefined
  readonly file?: string | undefined
  readonly environment?: string | undefined
}

/**
 * The address of a queue: by the option itself, else by the first line of a file, else by the environment.
 *
 * @throws MoietyError `usage` where there is none or it is invalid
 */
export function queueAddress({ url, file, environment }: QueueSources): QueueAddress {
  if (typeof url === 'string') return parseQueueAddress(url, '--queue')
  if (file !== undefined && looksLikeQueue(file))
    return fail({
      kind: 'usage',
      message: 'expected a file with the URL of a Redis in it, got the URL itself',
      where: '--queue-file',
      help: `write it on the first line of a file and pass the file's name; if it holds a password, every user of this machine could have seen it`,
    })
  if (file !== undefined) return parseQueueAddress(firstLine(file), file)
  if (environment !== undefined && environment.trim() !== '')
    return parseQueueAddress(environment, queueVariable)
  return fail({
    kind: 'usage',
    message: 'expected the URL of a Redis, got none',
    where: '--queue',
    help: `pass --queue redis://HOST, --queue-file FILE with the URL in it, or set ${queueVariable}`,
  })
}

function firstLine(file: string): string {
  try {
    return new TextDecoder().decode(readRegular(file, sizeLimits.queue)).split('\n', 1)[0] ?? ''
  } catch (cause) {
    const why = systemFailure(cause)?.meaning
    return fail({
      kind: 'usage',
      message: `expected a file with the URL of a Redis in it, but it cannot be read${why === undefined ? '' : `: ${why}`}`,
      where: file,
      help: 'check the path of --queue-file',
    })
  }
}
