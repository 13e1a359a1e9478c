/**
 * The report: what was found about a run as one page that opens anywhere, and its charts one by one.
 *
 * @module
 */
export { renderComparison } from './comparison-page.ts'
export { renderReport } from './page.ts'
export { renderPredictions } from './prediction-page.ts'
export {
  type ChartFile,
  captionsSvg,
  chartFiles,
  groupingSvg,
  informationSvg,
  mapSvg,
  trainingSvg,
} from './single-charts.ts'
