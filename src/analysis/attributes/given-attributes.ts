import { type SplitName, splitNamed } from '../../data/index.ts'
import type { TrainEvent } from '../../run/events.ts'
import type { Task } from '../../tasks/task.ts'
import { type Attribute, attributeOf, mostCategories } from './attribute.ts'
import { type AttributeTable, refuse } from './attribute-table.ts'
import { joinImages } from './join-images.ts'

/** Names of the attributes that are measured. */
const measured = ['colour', 'brightness', 'texture']

/**
 * The attributes of a split's images that a file gives. What is left out is reported: columns of too many different texts, and
 * images without a row.
 *
 * @throws MoietyError `data`
 */
export async function givenAttributes(
  { file, table }: { readonly file: string; readonly table: AttributeTable },
  { task, split }: { readonly task: Task; readonly split: SplitName },
  onEvent: (event: TrainEvent) => void,
): Promise<Attribute[]> {
  const { length: count } = splitNamed(task.data, split)
  const { rows, keys } = joinImages(table, file, { split, count, names: task.imageNames?.(split) })
  const without = rows.filter(row => row === undefined).length
  if (without > 0)
    onEvent({
      kind: 'warning',
      message: `${file} has no row for ${without} of the ${count} images of the split ${split}; they are left out of what is said about its attributes`,
    })
  const columns = table.columns.filter(name => !keys.includes(name))
  const attributes = columns.flatMap(name => {
    const values = rows.map(row => row?.values.get(name) ?? null)
    const attribute = attributeOf(measured.includes(name) ? `${name} (given)` : name, 'given', values)
    if (attribute === undefined) {
      const different = new Set(values.filter(value => value !== null).map(String)).size
      onEvent({
        kind: 'warning',
        message: `the column "${name}" of ${file} is left out: it has ${different} different texts, and an attribute at most ${mostCategories}`,
      })
    } else if (attribute.groups.length === 0)
      onEvent({
        kind: 'warning',
        message: `the column "${name}" of ${file} is left out: it has no value for an image of the split ${split}`,
      })
    return attribute === undefined || attribute.groups.length === 0 ? [] : [attribute]
  })
  if (attributes.length === 0)
    refuse(
      columns.length === 0
        ? `expected columns of attributes in addition to ${keys.join(' and ')}, found none`
        : `expected a column of attributes with values, found none among ${columns.join(', ')}`,
      file,
    )
  return attributes
}
