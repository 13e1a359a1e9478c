import { looksLikeQueue, type QueueAddress, queueAddress, queueVariable } from '../sweep/queue-address.ts'

/**
 * Where the queue is, as the flags and the environment say. A URL on the command line is seen in lists of processes, so it is
 * taken off there, as far as the system allows.
 *
 * @throws MoietyError `usage`
 */
export function queueOf({
  queue,
  queueFile,
}: {
  readonly queue?: string | true
  readonly queueFile?: string
}): QueueAddress {
  const words = [queue, queueFile].filter(word => typeof word === 'string')
  // First of all: what is no URL as it should be holds a password as well.
  if (words.some(word => looksLikeQueue(word) && word.includes('@'))) process.title = 'moiety'
  return queueAddress({ url: queue, file: queueFile, environment: process.env[queueVariable] })
}

/** What is said of the connection while it comes and goes. */
export const stateTexts = {
  away: 'the queue is away: trainings go on, and it is tried again until it is back',
  back: 'the queue is back',
} as const
