import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer'
import type { RoutingRecords } from './routing-records.ts'

/**
 * `routing.parquet`: one row for each image and mixture of experts, images in the order of the split.
 *
 * | column | type | |
 * |---|---|---|
 * | image | int32 | number within the split |
 * | layer | string | |
 * | label | int32 | class |
 * | superclass | int32 | null where the data has none |
 * | prediction | int32 | class that the network names |
 * | logits | list of float | what the gate said, E of them |
 * | weights | list of float | E, zero for experts that were not chosen |
 * | chosen | list of int32 | the experts with a weight, most first |
 *
 * The file's key-value metadata has `classes` and, where there are any, `superclasses`: names as JSON.
 */
export function routingTable(
  records: RoutingRecords,
  names: { readonly classes: readonly string[]; readonly superclasses: readonly string[] | undefined },
): Uint8Array {
  const { images, labels, superclasses, predictions, layers } = records
  const rows = layers.flatMap(layer => Array.from({ length: images }, (_, n) => ({ layer, n })))
  const slice = (values: Float32Array, experts: number, n: number): number[] =>
    Array.from(values.subarray(n * experts, (n + 1) * experts))
  const columns = {
    image: rows.map(({ n }) => n),
    layer: rows.map(({ layer }) => layer.name),
    label: rows.map(({ n }) => labels[n]!),
    superclass: rows.map(({ n }) => {
      const coarse = superclasses?.[n] ?? -1
      return coarse < 0 ? null : coarse
    }),
    prediction: rows.map(({ n }) => predictions[0]![n]!),
    logits: rows.map(({ layer, n }) => slice(layer.logits, layer.experts, n)),
    weights: rows.map(({ layer, n }) => slice(layer.weights, layer.experts, n)),
    chosen: rows.map(({ layer, n }) => {
      const weights = slice(layer.weights, layer.experts, n)
      const positive = weights.flatMap((weight, expert) => (weight > 0 ? [expert] : []))
      return positive.sort((a, b) => weights[b]! - weights[a]! || a - b)
    }),
  }
  const buffer = parquetWriteBuffer({
    columnData: Object.entries(columns).map(([name, data]) => ({ name, data })),
    schema,
    createdBy: 'moiety',
    kvMetadata: [
      { key: 'classes', value: JSON.stringify(names.classes) },
      ...(names.superclasses === undefined
        ? []
        : [{ key: 'superclasses', value: JSON.stringify(names.superclasses) }]),
    ],
  })
  return new Uint8Array(buffer)
}

const required = { repetition_type: 'REQUIRED' } as const

/** The three levels by which Parquet writes a list, as elements of a schema. */
export function listColumn(name: string, type: 'FLOAT' | 'INT32'): SchemaElement[] {
  return [
    { name, converted_type: 'LIST', num_children: 1, ...required },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type, ...required },
  ]
}

const schema: SchemaElement[] = [
  { name: 'routing', num_children: 8 },
  { name: 'image', type: 'INT32', ...required },
  { name: 'layer', type: 'BYTE_ARRAY', converted_type: 'UTF8', ...required },
  { name: 'label', type: 'INT32', ...required },
  { name: 'superclass', type: 'INT32', repetition_type: 'OPTIONAL' },
  { name: 'prediction', type: 'INT32', ...required },
  ...listColumn('logits', 'FLOAT'),
  ...listColumn('weights', 'FLOAT'),
  ...listColumn('chosen', 'INT32'),
]
