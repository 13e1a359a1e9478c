import { datasetFacts } from './dataset-facts.ts'

/** Opened by `openSample`. */
export const sample = datasetFacts({
  name: 'sample',
  task: 'classification',
  source: 'drawn',
  title: "Moiety's sample of drawings (emoji artwork)",
  description:
    'Drawings (emoji artwork of three vendors) on coloured grounds, 32×32, drawn on first use from packages that come with Moiety. Test images show drawings never seen in training. A sample, not a benchmark.',
  size: { usual: 32, range: [32, 32] },
})
