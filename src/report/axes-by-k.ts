import type * as Plot from '@observablehq/plot'

/** How a score, upwards, is drawn by the number of experts that compute each image, from 1 to `most`. */
export function axesByK(most: number, label = 'top-1, %'): Pick<Plot.PlotOptions, 'x' | 'y'> {
  return {
    x: {
      label: 'K',
      domain: [1, most],
      ticks: Array.from({ length: most }, (_, i) => i + 1),
      tickFormat: 'd',
      labelArrow: 'none',
    },
    y: { label, grid: true, nice: true, labelArrow: 'none' },
  }
}
