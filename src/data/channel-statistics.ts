import type { PerChannel } from './dataset.ts'

/**
 * Mean and standard deviation of pixel/255 over all images, by channel; of a channel that is the same everywhere the deviation
 * is given as 1, so that normalisation makes zeros of it.
 *
 * @param pixels - uint8 [images, 3, plane]
 * @param plane - pixels of one channel of one image
 */
export function channelStatistics(
  pixels: Uint8Array | Uint8ClampedArray,
  plane: number,
): { readonly mean: PerChannel; readonly std: PerChannel } {
  const sums = [0, 0, 0]
  const squares = [0, 0, 0]
  for (let start = 0, channel = 0; start < pixels.length; start += plane, channel = (channel + 1) % 3) {
    let sum = 0
    let square = 0
    for (let i = start; i < start + plane; i++) {
      const value = pixels[i]!
      sum += value
      square += value * value
    }
    sums[channel]! += sum
    squares[channel]! += square
  }
  const count = pixels.length / 3
  const mean = (channel: number): number => sums[channel]! / count / 255
  const std = (channel: number): number => {
    const variance = squares[channel]! / count / 255 ** 2 - mean(channel) ** 2
    return variance > 1e-9 ? Math.sqrt(variance) : 1
  }
  return { mean: [mean(0), mean(1), mean(2)], std: [std(0), std(1), std(2)] }
}
