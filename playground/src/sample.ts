import type { ImageData, SampleFacts } from './training/data.ts'
import { decodePixels } from './training/pixel-codec.ts'

/** The bundled part of the sample of drawings. */
export async function loadSample(): Promise<ImageData> {
  const [facts, codes] = await Promise.all([
    fetched('sample.json').then(async (response): Promise<SampleFacts> => await response.json()),
    fetched('sample.bin').then(
      async ({ body }) =>
        new Uint8Array(await new Response(body!.pipeThrough(new DecompressionStream('gzip'))).arrayBuffer()),
    ),
  ])
  const { size } = facts
  const end = facts.train.length * 3 * size * size
  return {
    ...facts,
    directory: null,
    train: { pixels: decodePixels(codes.subarray(0, end), size), labels: Int32Array.from(facts.train) },
    test: { pixels: decodePixels(codes.subarray(end), size), labels: Int32Array.from(facts.test) },
  }
}

async function fetched(name: string): Promise<Response> {
  const response = await fetch(new URL(name, document.baseURI))
  if (!response.ok)
    throw new Error(`${name} of the site could not be fetched: ${response.status} ${response.statusText}`)
  return response
}
