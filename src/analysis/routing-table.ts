import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer'
import { z } from 'zod'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { TaskData } from '../tasks/task.ts'
import type { TableFile } from './analysed.ts'

/** A column of a Parquet file; nullable where a value may be null. */
export interface Column {
  readonly name: string
  readonly type: 'INT32' | 'DOUBLE' | 'STRING' | 'FLOAT LIST' | 'INT32 LIST'
  readonly nullable?: true
  readonly data: readonly unknown[]
}

/** A Parquet file whose key-value metadata has names of `classes` and, where there are any, `superclasses`, as JSON. */
export function parquetFile(
  name: string,
  columns: readonly Column[],
  { classes, superclasses }: Pick<TaskData, 'classes' | 'superclasses'>,
): TableFile {
  const buffer = parquetWriteBuffer({
    columnData: columns.map(column => ({ name: column.name, data: [...column.data] })),
    schema: [{ name, num_children: columns.length }, ...columns.flatMap(elementsOf)],
    createdBy: 'moiety',
    kvMetadata: [
      { key: 'classes', value: JSON.stringify(classes) },
      ...(superclasses === undefined ? [] : [{ key: 'superclasses', value: JSON.stringify(superclasses) }]),
    ],
  })
  return { name: `${name}.parquet`, bytes: new Uint8Array(buffer) }
}

/** Of a list the three levels by which Parquet writes one. */
function elementsOf({ name, type, nullable }: Column): SchemaElement[] {
  const repetition = { repetition_type: nullable ? 'OPTIONAL' : 'REQUIRED' } as const
  switch (type) {
    case 'INT32':
    case 'DOUBLE':
      return [{ name, type, ...repetition }]
    case 'STRING':
      return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', ...repetition }]
    default:
      return [
        { name, converted_type: 'LIST', num_children: 1, ...repetition },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', type: type === 'FLOAT LIST' ? 'FLOAT' : 'INT32', repetition_type: 'REQUIRED' },
      ]
  }
}

/** A column about images, which every row of an image repeats. */
export interface ImageColumn extends Pick<Column, 'name' | 'type' | 'nullable'> {
  /** By image. */
  readonly data: ArrayLike<unknown>
}

/**
 * A row of `routing.parquet`, which has one for each image, level and mixture of experts, images in the order of the split. Integers
 * are int32, other numbers float, texts UTF-8.
 */
export const routingRowSchema = z.object({
  image: z.int().nonnegative(),
  layer: z.string(),
  level: z.int().nullable().optional(),
  label: z.int().optional(),
  superclass: z.int().nullable().optional(),
  prediction: z.int().optional(),
  labels: z.array(z.int()).optional(),
  predictions: z.array(z.int()).optional(),
  logits: z.array(z.number()),
  weights: z.array(z.number()),
  chosen: z.array(z.int()),
})

/** `routing.parquet`, of which a row is as {@link routingRowSchema} says. */
export function routingTable(
  { routing, images }: { readonly routing: readonly RoutedLayer[]; readonly images: number },
  names: Pick<TaskData, 'classes' | 'superclasses'>,
  { levels, about }: { readonly levels: boolean; readonly about: readonly ImageColumn[] },
): TableFile {
  const rows = routing.flatMap(layer =>
    Array.from({ length: images * layer.inputs }, (_, row) => {
      const slice = (values: Float32Array): number[] =>
        Array.from(values.subarray(row * layer.experts, (row + 1) * layer.experts))
      return {
        image: Math.floor(row / layer.inputs),
        layer: layer.name,
        level: layer.inputs === 1 ? null : (row % layer.inputs) + 3,
        logits: slice(layer.logits),
        weights: slice(layer.weights),
      }
    }),
  )
  return parquetFile(
    'routing',
    [
      { name: 'image', type: 'INT32', data: rows.map(({ image }) => image) },
      { name: 'layer', type: 'STRING', data: rows.map(({ layer }) => layer) },
      ...(levels
        ? [{ name: 'level', type: 'INT32', nullable: true, data: rows.map(({ level }) => level) } as const]
        : []),
      ...about.map(column => ({ ...column, data: rows.map(({ image }) => column.data[image]!) })),
      { name: 'logits', type: 'FLOAT LIST', data: rows.map(({ logits }) => logits) },
      { name: 'weights', type: 'FLOAT LIST', data: rows.map(({ weights }) => weights) },
      { name: 'chosen', type: 'INT32 LIST', data: rows.map(({ weights }) => chosen(weights)) },
    ],
    names,
  )
}

function chosen(weights: readonly number[]): number[] {
  return weights
    .flatMap((weight, expert) => (weight > 0 ? [expert] : []))
    .sort((a, b) => weights[b]! - weights[a]! || a - b)
}
