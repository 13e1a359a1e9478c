import type { PerChannel } from './dataset.ts'

/** ImageNet's statistics, the usual ones for photographs. */
export const photographs: { readonly mean: PerChannel; readonly std: PerChannel } = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
}
