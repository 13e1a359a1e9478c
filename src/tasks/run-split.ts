import { inOrder } from '../base/in-order.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { Program } from '../graph/index.ts'
import type { LayerInfo } from '../moe/index.ts'
import type { Engine, LoadedProgram } from '../runtime/index.ts'
import { refuseNotFinite } from './not-finite.ts'
import { RoutingCollector } from './routing.ts'
import type { Evaluated, TestOptions } from './task.ts'

/** A program in engines, loaded when it is needed. */
export class LoadedPrograms {
  #loaded: readonly LoadedProgram[] = []

  constructor(
    readonly engines: readonly Engine[],
    readonly program: Program,
  ) {}

  async load(): Promise<readonly LoadedProgram[]> {
    if (this.#loaded.length === 0)
      this.#loaded = await Promise.all(this.engines.map(engine => engine.load(this.program)))
    return this.#loaded
  }

  async release(): Promise<void> {
    for (const loaded of this.#loaded) await loaded.release()
    this.#loaded = []
  }
}

/** What to run through a network, and what is done with its outputs. */
export interface SplitRun extends TestOptions {
  /** Images of the split. */
  readonly images: number
  /** Images at a time. */
  readonly batch: number
  /** The program in each engine that may compute; they take turns. Its output `loss` is summed over images. */
  readonly loaded: readonly LoadedProgram[]
  readonly layers: readonly LayerInfo[]
  /** What the program is fed for some images. */
  readonly feeds: (indices: Uint32Array) => Promise<ReadonlyMap<string, HostTensor>>
  /** Called with the outputs of each batch, in the order of the images. */
  readonly add: (indices: Uint32Array, outputs: ReadonlyMap<string, HostTensor>) => void
}

/**
 * Runs a split through a network, in the order of the data; batches are loaded while others are computed. Engines with as many
 * threads give the same bits, however many engines there are. Undefined if `signal` came first.
 *
 * @throws MoietyError `diverged` if the loss is not finite, `data`
 */
export async function runSplit(
  run: SplitRun,
): Promise<Pick<Evaluated, 'images' | 'loss' | 'layers' | 'routing'> | undefined> {
  const { batch, loaded, layers, feeds, add, signal, onProgress } = run
  const collector = new RoutingCollector(run.images)
  const compute = async (number: number) => {
    const start = number * batch
    const indices = Uint32Array.from({ length: Math.min(batch, run.images - start) }, (_, i) => start + i)
    const fed = await feeds(indices)
    if (signal?.aborted) return undefined
    return { indices, outputs: await loaded[number % loaded.length]!.run(fed) }
  }
  let [loss, images] = [0, 0]
  for await (const result of inOrder(Math.ceil(run.images / batch), loaded.length + 1, compute)) {
    if (result === undefined) return undefined
    const { indices, outputs } = result
    loss += Number(outputs.get('loss')!.data[0])
    collector.add(indices, outputs, layers)
    add(indices, outputs)
    images += indices.length
    onProgress?.(images, run.images)
    if (signal?.aborted) return undefined
  }
  if (!Number.isFinite(loss)) refuseNotFinite(loss, images)
  return { images, loss: loss / images, layers: collector.stats, routing: collector.routing }
}
