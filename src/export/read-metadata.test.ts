import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { Graph, lower, relu } from '../graph/index.ts'
import { encodeMetadata, type ModelMetadata } from './metadata.ts'
import { readMetadata } from './read-metadata.ts'

const metadata: ModelMetadata = {
  moiety_version: '0.1.0',
  task: 'image-classification',
  recipe: 'a “recipe”\nof two lines',
  step: 12,
  routing: 'sparse',
  input: { name: 'images', dtype: 'uint8', layout: 'NHWC', size: 32, batch: null },
  normalisation: { mean: [0.5, 0.25, 0.125], std: [1, 2, 3], inside: true },
  classes: ['ant', '"bee"', 'döner 🥙'],
  superclasses: undefined,
  superclass_of: undefined,
  layers: [
    {
      name: 'layer4',
      output: 'layer4.weights',
      position: 4,
      style: 'resblock',
      experts: 2,
      k: 1,
      weighting: 'softmax-before-top-k',
      constraint: 'none',
    },
  ],
  captions: { layer4: ['ants', null] },
  accuracy: { top1: 0.5, top5: 1 },
  config: { any: ['thing', { a: null }] },
}

const file = (pairs: Readonly<Record<string, string>>): Uint8Array => {
  const y = relu(new Graph().input('x', 'float32', [1]))
  return lower(new Map([['y', y]]), { metadata: pairs }).model
}

const refusal = (bytes: Uint8Array): string => {
  try {
    readMetadata(bytes, 'x.onnx')
  } catch (error) {
    if (error instanceof MoietyError) return error.describe()
    throw error
  }
  return 'nothing was thrown'
}

describe('the metadata of an exported file', () => {
  it('is read as it was written', () => {
    expect(readMetadata(file(encodeMetadata(metadata)))).toEqual(metadata)
  })

  it('is text, and JSON where it is more than text', () => {
    const pairs = encodeMetadata(metadata)
    expect(pairs.recipe).toBe(metadata.recipe)
    expect(JSON.parse(pairs.classes!)).toEqual(metadata.classes)
    expect(Object.keys(pairs)).not.toContain('superclasses')
  })

  it.each([
    ['a model of somebody else', file({ author: 'somebody' }), /no metadata of Moiety.*\n.*moiety_version/],
    [
      'a key that is no JSON',
      file({ ...encodeMetadata(metadata), classes: 'ant' }),
      /it is not JSON\n.*classes/,
    ],
    ['a key of another form', file({ ...encodeMetadata(metadata), input: '[]' }), /metadata input/],
    ['no bytes', new Uint8Array(), /no metadata of Moiety/],
    ['text', new TextEncoder().encode('no model, but a text'), /not an ONNX file/],
  ])('is refused with a message: %s', (_, bytes, expected) => {
    expect(refusal(bytes)).toMatch(expected)
  })

  it('cannot reach a prototype', () => {
    const writer = new BinaryWriter()
    writer.tag(14, WireType.LengthDelimited).fork()
    writer.tag(1, WireType.LengthDelimited).string('__proto__')
    writer.tag(2, WireType.LengthDelimited).string('{"recipe":"evil"}')
    writer.join()
    expect(refusal(writer.finish())).toMatch(/no metadata of Moiety/)
    expect(Object.hasOwn(Object.prototype, 'recipe')).toBe(false)
  })

  it('of any bytes, cut or changed, is read or refused with a message', () => {
    const whole = file(encodeMetadata(metadata))
    const place = fc.nat({ max: whole.length - 1 })
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), place, (at, change, end) => {
        const changed = whole.slice()
        changed[at]! ^= change
        for (const bytes of [changed, whole.slice(0, end), changed.slice(end)]) refusal(bytes)
      }),
      { numRuns: 500 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void refusal(bytes)))
  })
})
