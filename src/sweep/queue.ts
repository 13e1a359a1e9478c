/**
 * The queue of runs in a Redis, by BullMQ. It records which runs are to be trained and their workers; configurations,
 * checkpoints and results are on the disk that all machines share, and nothing is lost with the queue.
 */
import type { Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import { fail, MoietyError } from '../base/errors.ts'
import { codeOf } from '../files/disk.ts'
import type { QueueAddress } from './queue-address.ts'
import { runName } from './sweep-folder.ts'
import { trainerProgress } from './trainer.ts'

/** The names of everything in Redis begin with `moiety:runs:`. */
export const queueNames = { prefix: 'moiety', name: 'runs' } as const

/** The content of a job: the names of a sweep and its run. */
export const jobSchema = z.object({
  format: z.literal(1),
  /** The sweep's folder where it was queued. */
  folder: z.string(),
  /** Of that folder, wherever it lies on another machine. */
  id: z.uuid(),
  run: runName,
  hash: z.string().regex(/^[0-9a-f]{64}$/),
})

export type JobFacts = Readonly<z.output<typeof jobSchema>>

/** Progress of a job, reported by the worker that trains the run. */
export const progressSchema = z.object({
  worker: z.string(),
  isResumed: z.boolean(),
  progress: trainerProgress.nullable(),
})

export type JobProgress = z.output<typeof progressSchema>

/** Queueing a run twice is queueing it once, whatever path its sweep's folder has. */
export const jobId = ({ id, hash }: Pick<JobFacts, 'id' | 'hash'>): string => `${id}-${hash}`

/** BullMQ and its driver, which only queues load. */
export async function loadBullmq(): Promise<{
  readonly bullmq: Pick<typeof import('bullmq'), 'Queue' | 'Worker' | 'UnrecoverableError' | 'WaitingError'>
  readonly Redis: typeof Redis
}> {
  const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')])
  return { bullmq, Redis: ioredis.Redis }
}

/** An open queue. */
export interface OpenQueue {
  readonly queue: Queue
  /** The connection, for a worker too; it reconnects by itself. */
  readonly connection: Redis
  readonly address: QueueAddress
  close(): Promise<void>
}

const oldest = [6, 2] as const
const millisecondsToConnect = 10_000

/**
 * Opens a queue. The first connection must succeed at once; later ones are retried indefinitely.
 *
 * @param onState - called when Redis disconnects and reconnects
 * @throws MoietyError `usage` with the address, and what was expected and found there
 */
export async function openQueue(
  address: QueueAddress,
  onState: (state: 'away' | 'back' | 'refused') => void,
): Promise<OpenQueue> {
  const { bullmq, Redis: Driver } = await loadBullmq()
  await ping(new Driver({ ...address.options, ...once }), address)
  const connection = new Driver({
    ...address.options,
    maxRetriesPerRequest: null,
    retryStrategy: times => Math.min(100 * times, 1000),
  })
  let isAway = false
  connection.on('close', () => {
    if (!isAway) onState('away')
    isAway = true
  })
  connection.on('ready', () => {
    if (isAway) onState('back')
    isAway = false
  })
  connection.on('error', (error: Error) => {
    if (isRefusal(error)) onState('refused')
  })
  const { prefix, name } = queueNames
  const queue = new bullmq.Queue(name, { prefix, connection })
  // Its connection is ours, whose errors are reported above.
  queue.on('error', () => undefined)
  return {
    queue,
    connection,
    address,
    close: async () => {
      connection.removeAllListeners('close')
      // During an outage of Redis this would wait indefinitely.
      if (connection.status === 'ready') await queue.close().catch(() => undefined)
      connection.disconnect()
    },
  }
}

const once = {
  lazyConnect: true,
  maxRetriesPerRequest: 0,
  connectTimeout: millisecondsToConnect,
  retryStrategy: () => null,
} as const

const isRefusal = ({ message }: Error): boolean =>
  /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password)/.test(message)

/** Connects once, to report at once what would otherwise be retried indefinitely. @throws MoietyError `usage` */
async function ping(redis: Redis, address: QueueAddress): Promise<void> {
  let first: Error | undefined
  redis.on('error', (error: Error) => {
    first ??= error
  })
  try {
    await redis.connect()
    const info = await redis.info('server')
    if (first !== undefined && isRefusal(first)) throw first
    const version = /^redis_version:(\d+)\.(\d+)/m.exec(info)
    const [major, minor] = [Number(version?.[1]), Number(version?.[2])]
    if (version !== null && (major < oldest[0] || (major === oldest[0] && minor < oldest[1])))
      fail({
        kind: 'usage',
        message: `expected a Redis of version ${oldest.join('.')} or newer, got ${major}.${minor}`,
        where: address.shown,
        help: 'upgrade it',
      })
  } catch (cause) {
    if (first === undefined && !(cause instanceof Error)) throw cause
    const error = first ?? cause
    if (error instanceof Error && error.name === 'MoietyError') throw error
    throw refusal(error instanceof Error ? error : new Error(String(error)), address)
  } finally {
    redis.disconnect()
  }
}

/** Whether Redis replied with an error: retrying gives the same. */
export const isAnswer = ({ name, message }: Error): boolean =>
  name === 'ReplyError' && !/^LOADING/.test(message)

/** A command that Redis refuses, as an error with its reply. @throws MoietyError `usage` instead of a ReplyError */
export async function answered<T>(address: QueueAddress, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if (cause instanceof Error && isAnswer(cause)) refusal(cause, address)
    throw cause
  }
}

/** @throws MoietyError `usage`, always */
export function refusal(error: Error, address: QueueAddress): never {
  throw refusalOf(error, address)
}

/** The driver's own error, which may hold commands with a password in them, is not kept as cause. */
export function refusalOf(error: Error, { shown }: QueueAddress): MoietyError {
  const code = codeOf(error) ?? ''
  // Its scripts' replies end with a position in the script.
  const answer = error.message.split('\n', 1)[0]?.replace(/,? script: [\da-f]{40}.*/, '') ?? ''
  if (isAnswer(error) && (!isRefusal(error) || /^NOPERM/.test(answer)))
    return new MoietyError({
      kind: 'usage',
      message: `expected a Redis that accepts the queue, it replied ${answer}`,
      where: shown,
      help: 'it must allow this user to write, have enough memory and disk, and not be a replica; the queue has lost nothing',
    })
  if (isRefusal(error))
    return new MoietyError({
      kind: 'usage',
      message:
        'the Redis refuses the user or password of the URL, or requires one that the URL does not have',
      where: shown,
      help: 'check both; in a password % / @ : # ? are written %25 %2F %40 %3A %23 %3F',
    })
  if (/CERT|SELF_SIGNED|TLS|SSL|EPROTO/i.test(code) || /certificate|ssl|tls/i.test(error.message))
    return new MoietyError({
      kind: 'usage',
      message: `expected a Redis whose certificate is trusted, got ${error.message}`,
      where: shown,
      help: 'for your own certificate authority set NODE_EXTRA_CA_CERTS=ca.pem; without TLS the URL begins with redis://',
    })
  return new MoietyError({
    kind: 'usage',
    message: `expected a Redis there, got ${error.message.trim() || code || 'nothing'}`,
    where: shown,
    help: 'check host and port, and that it runs and accepts connections from this machine; rediss:// is with TLS, redis:// without',
  })
}
