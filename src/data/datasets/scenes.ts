import { datasetFacts } from './dataset-facts.ts'

/** Opened by `openScenes`. */
export const scenes = datasetFacts({
  name: 'scenes',
  task: 'detection',
  source: 'drawn',
  title: "Moiety's scenes of drawings (emoji artwork)",
  description:
    'For detectors: scenes of 1 to 8 such drawings with boxes, 128×128, drawn on first use. Test scenes show drawings never seen in training. Not a benchmark.',
  size: { usual: 128, range: [128, 160] },
})
