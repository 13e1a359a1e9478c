import { parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer'
import type { SizeLimits } from '../../metrics/detections/index.ts'
import type { DetectorRecords } from '../../tasks/detection/records.ts'
import { weightsAt } from '../../tasks/routing.ts'
import { listColumn } from '../routing-table.ts'
import { sizeClassOf, sizeNames } from './sizes.ts'

/**
 * `routing.parquet` of a detector: one row for each image, level and mixture of experts, images in the order of the split.
 *
 * | column | type | |
 * |---|---|---|
 * | image | int32 | number within the split |
 * | layer | string | |
 * | level | int32 | 3 to 7, of the pyramid; null where the whole image is routed |
 * | weights | list of float | E, zero for experts that were not chosen |
 * | chosen | list of int32 | the experts with a weight, most first |
 *
 * The file's key-value metadata has `classes`: names as JSON.
 */
export function detectorRoutingTable(
  { routing, images }: Pick<DetectorRecords, 'routing' | 'images'>,
  classes: readonly string[],
): Uint8Array {
  const rows = routing.flatMap(layer =>
    Array.from({ length: images * layer.inputs }, (_, row) => {
      const [image, input] = [Math.floor(row / layer.inputs), row % layer.inputs]
      const weights = Array.from(weightsAt(layer, image, input))
      return { image, layer: layer.name, level: layer.inputs === 1 ? null : input + 3, weights }
    }),
  )
  const chosen = ({ weights }: { readonly weights: readonly number[] }): number[] =>
    weights
      .flatMap((weight, expert) => (weight > 0 ? [expert] : []))
      .sort((a, b) => weights[b]! - weights[a]! || a - b)
  return parquet(
    {
      image: rows.map(({ image }) => image),
      layer: rows.map(({ layer }) => layer),
      level: rows.map(({ level }) => level),
      weights: rows.map(({ weights }) => weights),
      chosen: rows.map(chosen),
    },
    [
      { name: 'routing', num_children: 5 },
      { name: 'image', type: 'INT32', ...required },
      { name: 'layer', type: 'BYTE_ARRAY', converted_type: 'UTF8', ...required },
      { name: 'level', type: 'INT32', repetition_type: 'OPTIONAL' },
      ...listColumn('weights', 'FLOAT'),
      ...listColumn('chosen', 'INT32'),
    ],
    classes,
  )
}

/**
 * `objects.parquet`: one row for each object but crowds, in the order of images.
 *
 * | column | type | |
 * |---|---|---|
 * | image | int32 | number within the split |
 * | object | int32 | number among the image's objects |
 * | label | int32 | class |
 * | area | double | square pixels of the stored image |
 * | size | string | small, medium or large |
 * | level | int32 | 3 to 7, of the anchor that overlaps it most; null where none does |
 */
export function objectsTable(
  { objects }: Pick<DetectorRecords, 'objects'>,
  classes: readonly string[],
  sizes: SizeLimits,
): Uint8Array {
  const rows = objects.toSorted((a, b) => a.image - b.image || a.object - b.object)
  return parquet(
    {
      image: rows.map(({ image }) => image),
      object: rows.map(({ object }) => object),
      label: rows.map(({ label }) => label),
      area: rows.map(({ area }) => area),
      size: rows.map(({ area }) => sizeNames[sizeClassOf(area, sizes)]!),
      level: rows.map(({ level }) => (level < 0 ? null : level + 3)),
    },
    [
      { name: 'objects', num_children: 6 },
      { name: 'image', type: 'INT32', ...required },
      { name: 'object', type: 'INT32', ...required },
      { name: 'label', type: 'INT32', ...required },
      { name: 'area', type: 'DOUBLE', ...required },
      { name: 'size', type: 'BYTE_ARRAY', converted_type: 'UTF8', ...required },
      { name: 'level', type: 'INT32', repetition_type: 'OPTIONAL' },
    ],
    classes,
  )
}

const required = { repetition_type: 'REQUIRED' } as const

function parquet(
  columns: Readonly<Record<string, unknown[]>>,
  schema: SchemaElement[],
  classes: readonly string[],
): Uint8Array {
  const buffer = parquetWriteBuffer({
    columnData: Object.entries(columns).map(([name, data]) => ({ name, data })),
    schema,
    createdBy: 'moiety',
    kvMetadata: [{ key: 'classes', value: JSON.stringify(classes) }],
  })
  return new Uint8Array(buffer)
}
