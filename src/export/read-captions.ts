import { join } from 'node:path'
import * as z from 'zod'
import { readIfThere } from '../files/append-file.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { sizeLimits } from '../files/regular-file.ts'

/** Captions of the experts, by layer; null without a caption. */
export type Captions = Readonly<Record<string, readonly (string | null)[]>>

/** Captions of earlier versions were made by other rules, or stood elsewhere. */
const reportVersion = 3

/** The part of a report that is read here. */
const report = z.object({
  version: z.literal(reportVersion),
  run: z.object({ checkpoint: z.string() }),
  layers: z.array(z.object({ name: z.string() })),
  extras: z
    .object({
      layers: z.array(
        z.object({ experts: z.array(z.object({ caption: z.string().nullable() })).default([]) }),
      ),
    })
    .nullable(),
})

const anyVersion = z.object({ version: z.number(), run: z.object({ checkpoint: z.string() }) })

/**
 * The captions that `moiety explain` has given the experts of a run, from its `report.json`; none where there is no
 * report.
 *
 * @param checkpoint - identity of the checkpoint that is exported; captions of another one are ignored
 * @param warn - called if there is a report that cannot be used, which is not an error
 * @throws MoietyError `disk` when the report cannot be read
 */
export function readCaptions(
  run: string,
  checkpoint: string,
  warn: (message: string) => void,
  disk: Disk = nodeDisk,
): Captions {
  const file = join(run, 'report.json')
  const bytes = readIfThere(disk, file, sizeLimits.report)
  if (bytes === undefined) return {}
  const json = jsonOf(bytes)
  const other = anyVersion.safeParse(json)
  if (other.success && other.data.version !== reportVersion) {
    warn(`captions are left out: ${file} is of another version of Moiety; \`moiety explain\` makes new ones`)
    return {}
  }
  const found = report.safeParse(json)
  if (!found.success) {
    warn(`captions are left out: ${file} is not a report of moiety explain`)
    return {}
  }
  if (found.data.run.checkpoint !== checkpoint) {
    warn(`captions are left out: ${file} is about another checkpoint; \`moiety explain\` creates new ones`)
    return {}
  }
  const { layers, extras } = found.data
  return Object.fromEntries(
    layers.flatMap(({ name }, i) => {
      const experts = extras?.layers[i]?.experts ?? []
      return experts.length === 0 ? [] : [[name, experts.map(({ caption }) => caption)]]
    }),
  )
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}
