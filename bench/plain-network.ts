/** The plain ResNet-18 of the bench as another library has to write it: which blocks it has, and what their layers are called. */
export interface PlainBlock {
  /** Prefix of the names of its parameters. */
  readonly name: string
  readonly stride: 1 | 2
  /** Whether the shortcut has a convolution (1×1) of its own. */
  readonly hasDownsample: boolean
}

export const plainBlocks: readonly PlainBlock[] = [1, 2, 3, 4].flatMap(stage =>
  [0, 1].map((block): PlainBlock => {
    const halves = stage > 1 && block === 0
    return { name: `layer${stage}.${block}`, stride: halves ? 2 : 1, hasDownsample: halves }
  }),
)

/** What PyTorch and Moiety add to a variance. */
export const epsilon = 1e-5

export interface PlainTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A convolution and the BatchNorm after it in one: the kernel [O, I, H, W] and what is added to each channel. */
export function folded(
  state: ReadonlyMap<string, PlainTensor>,
  conv: string,
  norm: string,
): { readonly kernel: PlainTensor; readonly bias: Float32Array } {
  const of = (name: string): PlainTensor => {
    const tensor = state.get(name)
    if (tensor === undefined) throw new Error(`the network has no ${name}`)
    return tensor
  }
  const kernel = of(`${conv}.weight`)
  const [weight, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
    part => of(`${norm}.${part}`).data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array]
  const scale = weight.map((value, channel) => value / Math.sqrt(variance[channel]! + epsilon))
  const perChannel = kernel.data.length / scale.length
  return {
    kernel: {
      shape: kernel.shape,
      data: kernel.data.map((value, i) => value * scale[Math.floor(i / perChannel)]!),
    },
    bias: bias.map((value, channel) => value - mean[channel]! * scale[channel]!),
  }
}
