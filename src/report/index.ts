/**
 * The report: what was found about a run as one page that opens anywhere, and its charts one by one.
 *
 * @module
 */
export { renderComparison } from './comparison-page.ts'
export { renderDetectorReport } from './detection/page.ts'
export { renderReport } from './page.ts'
export { renderPredictions } from './prediction-page.ts'
export {
  type ChartFile,
  captionsSvg,
  chartFiles,
  informationSvg,
  mapSvg,
  superclassMatrixSvg,
  trainingSvg,
} from './single-charts.ts'
