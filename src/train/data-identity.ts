import { createHash } from 'node:crypto'
import * as z from 'zod'
import { fail } from '../base/errors.ts'
import type { Dataset } from '../data/index.ts'
import type { Json } from '../files/json.ts'

/**
 * What a checkpoint remembers of the data: how many images there are on each side, and a hash of their classes in order.
 * A training that goes on with other images, or the same in another order, would not be the one that began.
 */
const dataIdentity = z.object({ train: z.number(), test: z.number(), labels: z.string() })

export type DataIdentity = z.output<typeof dataIdentity>

/** The hash covers the names of the classes and every label, so that decoding images is not needed. */
export function identityOf({ classes, train, test }: Dataset): DataIdentity {
  const hash = createHash('sha256').update(JSON.stringify(classes))
  for (const { labels } of [train, test])
    hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength))
  return { train: train.length, test: test.length, labels: hash.digest('hex') }
}

/**
 * Refuses to go on with other data than the checkpoint was trained on.
 *
 * @param remembered - as the checkpoint holds it
 * @throws MoietyError `data` that says what differs
 */
export function refuseOtherData(remembered: Json | undefined, { title, ...dataset }: Dataset): void {
  const before = dataIdentity.safeParse(remembered).data
  const now = identityOf({ title, ...dataset })
  if (before === undefined || before.labels === now.labels) return
  const counts = ({ train, test }: DataIdentity): string => `${train} images to train and ${test} to test on`
  const same = before.train === now.train && before.test === now.test
  fail({
    kind: 'data',
    message: same
      ? 'the run began with other images: as many as now, but of other classes or in another order'
      : `the run began with ${counts(before)}, but now there are ${counts(now)}`,
    where: title,
    help: 'give the data that the run began with, in data.directory or --data, or begin a new run',
  })
}
