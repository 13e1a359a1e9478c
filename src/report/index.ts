/**
 * The report: what was found about a run as one page that opens anywhere, and its charts one by one.
 *
 * @module
 */
export { type ChartFile, chartFiles } from './chart-files.ts'
export { comparisonCharts, renderComparison } from './comparison-page.ts'
export { renderReport, reportCharts } from './page.ts'
export type { DataRow, PaperChart } from './paper-chart.ts'
export { renderPredictions } from './prediction-page.ts'
