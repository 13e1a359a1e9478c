import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { describe, expect, it } from 'vitest'
import { routingTable } from './routing-table.ts'

const records = {
  images: 2,
  routing: [
    {
      name: 'layer3',
      experts: 3,
      k: 2,
      inputs: 1,
      logits: Float32Array.of(1, 2, 3, 4, 5, 6),
      weights: Float32Array.of(0, 0.25, 0.75, 0, 0.5, 0.5),
    },
    {
      name: 'layer4',
      experts: 1,
      k: 1,
      inputs: 1,
      logits: Float32Array.of(1, 1),
      weights: Float32Array.of(1, 1),
    },
  ],
}
const about = [
  { name: 'label', type: 'INT32', data: Int32Array.of(1, 0) },
  { name: 'superclass', type: 'INT32', nullable: true, data: [0, null] },
  { name: 'prediction', type: 'INT32', data: Int32Array.of(1, 1) },
] as const
const columns = { levels: false, about }
const names = { classes: ['häuser', 'b'], superclasses: ['s'] }

function fileOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}

describe('routing.parquet', () => {
  it('has a row for each image and layer, as another reader sees it', async () => {
    const rows = await parquetReadObjects({ file: fileOf(routingTable(records, names, columns).bytes) })
    expect(rows).toEqual([
      {
        image: 0,
        layer: 'layer3',
        label: 1,
        superclass: 0,
        prediction: 1,
        logits: [1, 2, 3],
        weights: [0, 0.25, 0.75],
        chosen: [2, 1],
      },
      {
        image: 1,
        layer: 'layer3',
        label: 0,
        superclass: null,
        prediction: 1,
        logits: [4, 5, 6],
        weights: [0, 0.5, 0.5],
        chosen: [1, 2],
      },
      {
        image: 0,
        layer: 'layer4',
        label: 1,
        superclass: 0,
        prediction: 1,
        logits: [1],
        weights: [1],
        chosen: [0],
      },
      {
        image: 1,
        layer: 'layer4',
        label: 0,
        superclass: null,
        prediction: 1,
        logits: [1],
        weights: [1],
        chosen: [0],
      },
    ])
  })

  it('says what classes and superclasses are called', () => {
    const metadata = parquetMetadata(fileOf(routingTable(records, names, columns).bytes)).key_value_metadata
    expect(metadata).toEqual([
      { key: 'classes', value: '["häuser","b"]' },
      { key: 'superclasses', value: '["s"]' },
    ])
  })

  it('is a table without rows for a network without mixtures', async () => {
    const { bytes } = routingTable(
      { ...records, routing: [] },
      { classes: ['a'], superclasses: undefined },
      columns,
    )
    expect(await parquetReadObjects({ file: fileOf(bytes) })).toEqual([])
  })

  it('has a row for each level of an image, by its name in the pyramid', async () => {
    const head = {
      name: 'head',
      experts: 2,
      k: 1,
      inputs: 2,
      logits: Float32Array.of(1, 0, 0, 1),
      weights: Float32Array.of(1, 0, 0, 1),
    }
    const { bytes } = routingTable({ images: 1, routing: [head] }, names, { levels: true, about: [] })
    const rows = await parquetReadObjects({ file: fileOf(bytes) })
    expect(rows.map(({ level, chosen }) => [level, chosen])).toEqual([
      [3, [0]],
      [4, [1]],
    ])
  })
})
