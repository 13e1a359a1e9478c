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

/** The domain of values that are all the same, which would have one tick with all its decimals; nothing otherwise. */
export function domainOfOne(values: readonly (number | null)[], room: number): { domain?: [number, number] } {
  const known = [...new Set(values.filter(value => value !== null))]
  return known.length === 1 ? { domain: [known[0]! - room, known[0]! + room] } : {}
}
