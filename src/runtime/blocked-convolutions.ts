import type { OnnxModel, OnnxNode, OnnxTensor } from '../graph/onnx.ts'

/**
 * ONNX Runtime's convolutions on blocked activations, [N, C / b, H, W, b] in memory with b channels side by side, are up
 * to twice as fast as those on [N, C, H, W]: they need no copy of their windows, and b channels are one vector of the
 * processor. The engine uses them by itself only where the kernel is a constant, and the kernels of a training step
 * are not. So here every convolution that gains becomes four steps:
 *
 *     x → ReorderInput ┐
 *     w → block ───────┴→ Conv on blocks → ReorderOutput → y
 *
 * `com.microsoft.nchwc` is the engine's own domain and b depends on the processor (`block-size.ts`), so this is done to
 * a program on its way into a session, and never to one that is written to a file. What is fed and fetched keeps its
 * layout.
 */
const domain = 'com.microsoft.nchwc'

/** Blocks that would be filled less than this are not worth it: measured, at 24 of 32 channels (0.56) it is even. */
const worthwhile = 0.7

/**
 * The same model with its convolutions on blocks of `block` channels, where that is faster. Only extents decide, never
 * a measurement: the choice must be the same when a training goes on.
 */
export function withBlockedConvolutions(model: OnnxModel, block: number): OnnxModel {
  const blocking = new Blocking(block)
  const nodes = model.nodes.flatMap(node => (gains(node, block) ? blocking.convolution(node) : [node]))
  return {
    ...model,
    nodes,
    initializers: [...model.initializers, ...blocking.constants.values()],
    domains: { ...model.domains, [domain]: 1 },
  }
}

/** Whether a node is a convolution whose channels fill their blocks; the engine reorders channels in fours. */
function gains({ op, inputs, channels }: OnnxNode, block: number): boolean {
  if (op !== 'Conv' || channels === undefined || inputs.length !== 2) return false
  const filled = (extent: number): number => extent / padded(extent, block)
  return channels.inputs % 4 === 0 && filled(channels.inputs) * filled(channels.outputs) >= worthwhile
}

function padded(extent: number, block: number): number {
  return Math.ceil(extent / block) * block
}

/** What the rewritten nodes of one model share. */
class Blocking {
  readonly constants = new Map<string, OnnxTensor>()
  /** Activations in blocks, by the name of the plain ones: the gradient with respect to a kernel reads them again. */
  readonly #activations = new Map<string, string>()

  constructor(readonly block: number) {}

  convolution(node: OnnxNode): OnnxNode[] {
    const [x, kernel] = [node.inputs[0]!, node.inputs[1]!]
    const { inputs, outputs } = node.channels!
    const result: OnnxNode[] = []
    const step = (
      op: string,
      from: readonly string[],
      to: string,
      attributes: OnnxNode['attributes'] = {},
    ) => {
      const own = op === 'ReorderInput' || op === 'ReorderOutput' || op === 'Conv'
      const name = op === 'Conv' ? node.name : `${node.name} ${result.length} ${op}`
      result.push({ op, name, inputs: from, outputs: [to], attributes, ...(own ? { domain } : {}) })
      return to
    }

    let blocks = this.#activations.get(x)
    if (blocks === undefined) {
      blocks = step('ReorderInput', [x], `${x} in blocks`)
      this.#activations.set(x, blocks)
    }

    // [O, C, U, V] → [O/b, C/b, U, V, b of C, b of O], with zeros where a block is not full.
    const { block } = this
    const [O, C] = [padded(outputs, block), padded(inputs, block)]
    const [U, V] = node.attributes.kernel_shape as readonly [number, number]
    const at = `${node.outputs[0]!} kernel`
    const filled =
      O === outputs && C === inputs
        ? kernel
        : step('Pad', [kernel, this.#ints(0, 0, 0, 0, O - outputs, C - inputs, 0, 0)], `${at} filled`)
    const split = step(
      'Reshape',
      [filled, this.#ints(O / block, block, C / block, block, U, V)],
      `${at} split`,
    )
    const turned = step('Transpose', [split], `${at} turned`, { perm: [0, 2, 4, 5, 3, 1] })
    const kernelBlocks = step('Reshape', [turned, this.#ints(O, C, U, V)], `${at} in blocks`)

    const y = step('Conv', [blocks, kernelBlocks], `${node.outputs[0]!} in blocks`, node.attributes)
    // A convolution that reads the result of this one, as in a feature pyramid, finds it in blocks.
    this.#activations.set(node.outputs[0]!, y)
    step('ReorderOutput', [y], node.outputs[0]!, { channels: outputs })
    return result
  }

  #ints(...values: number[]): string {
    const name = `blocks ${values.join(' ')}`
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.constants.set(name, { name, dtype: 'int64', shape: [values.length], bytes })
    return name
  }
}
