import { fail } from '../../base/errors.ts'
import { quoted } from '../../files/json-reader.ts'
import { inOrder } from '../tables/label-file.ts'

/** A label as a file has it: the name of a class or its number. */
export type LabelValue = string | number

/** The value of a column or of JSON as a label; undefined for what is none. */
export function labelValue(value: unknown): LabelValue | undefined {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'number' && Number.isInteger(value)) return value
  if (typeof value === 'string' && value.trim() !== '') return value.trim()
  return undefined
}

/** Most classes of a number without a name: a larger one is no class. */
const mostClasses = 1_000_000

/**
 * The classes that labels are of, and the place of each label among them. Numbers are places in `declared` where that is given; else each
 * different label is a class, in the order of their names or numbers.
 *
 * @param where - says where a label is, for messages
 * @throws MoietyError `data` for a number without a name
 */
export function classesOfLabels(
  labels: readonly LabelValue[],
  declared: readonly string[] | undefined,
  where: (at: number) => string,
): { readonly classes: readonly string[]; readonly places: Int32Array } {
  if (declared === undefined) {
    const classes = inOrder(labels.map(String))
    const placeOf = new Map(classes.map((name, place) => [name, place]))
    return { classes, places: Int32Array.from(labels, label => placeOf.get(String(label))!) }
  }
  const placeOf = new Map(declared.map((name, place) => [name, place]))
  const places = Int32Array.from(labels, (label, at) => {
    const isNumber = typeof label === 'number' || (/^\d{1,9}$/.test(label) && !placeOf.has(label))
    const place = isNumber ? Number(label) : placeOf.get(label)
    if (place !== undefined && place >= 0 && place < Math.min(declared.length, mostClasses)) return place
    return fail({
      kind: 'data',
      message: `expected a label of the ${declared.length} classes that the data names, got ${isNumber ? label : quoted(String(label))}`,
      where: where(at),
      help: 'correct the label, or add its class to the names',
    })
  })
  return { classes: declared, places }
}
