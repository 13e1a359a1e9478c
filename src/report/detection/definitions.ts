import type { DetectorFindings } from '../../analysis/detection/findings.ts'
import { html, type Markup } from '../markup.ts'

interface Definition {
  readonly term: string
  readonly meaning: string
  readonly chance: string | null
}

const precision: Definition = {
  term: 'AP, AR',
  meaning:
    'COCO’s average precision and recall of boxes, as pycocotools counts them: over IoU from 0.50 to 0.95, all classes, a hundred detections an image. Small, medium and large are areas in the stored image.',
  chance: null,
}

const routing: readonly Definition[] = [
  {
    term: 'Weight, level, unit',
    meaning:
      'What a gate of a head routes is one level of one image: five decisions an image, P3 (fine, for small objects) to P7 (coarse, for large ones). Its weights sum to 1. A share is the mean over all levels of all images.',
    chance: 'Even experts have 1 / E each.',
  },
  {
    term: 'An object’s expert',
    meaning:
      'Box → the anchor that overlaps it most → that anchor’s level → the weights there. The top expert is the one that weighs most.',
    chance: null,
  },
  {
    term: 'Lift',
    meaning:
      'The mean weight that a level, size or class gives an expert, divided by the expert’s mean weight over all.',
    chance: 'Without preference 1.',
  },
  {
    term: 'I(size; expert)',
    meaning:
      'Mutual information in bits of an object’s size and its expert, with weights as probabilities; divided by the entropy of the experts’ weights it is a share of what there is to know.',
    chance:
      'Not 0. Units (all objects of a level of an image) exchange their weights; p is how often chance reaches what was found.',
  },
  {
    term: 'I(size; expert | level)',
    meaning:
      'The same among objects of one level. Levels are made for sizes, so that a gate that knows levels knows sizes; this is what is left beyond that.',
    chance: 'Units exchange their weights with the same level of other images.',
  },
  {
    term: 'Cramér’s V',
    meaning:
      '√(χ² / n(m − 1)) of the table of sizes by top experts, m the smaller number of its rows and columns; without its bias after Bergsma (2013).',
    chance: '0 without, 1 where size decides the expert.',
  },
  {
    term: 'Alone, without, equal weights',
    meaning:
      'The network as it is, except that in one mixture an expert computes every level alone, or the gate must choose among the others, or all count the same. Nothing is trained anew.',
    chance: 'If it did not matter who computes a level, nothing would change.',
  },
]

/** One paragraph a measure. */
export function detectorDefinitions({ layers }: DetectorFindings): Markup {
  const terms = layers.length === 0 ? [precision] : [precision, ...routing]
  return html`<section id="definitions" aria-labelledby="definitions-title"><h2 id="definitions-title">What the measures mean</h2>
<dl class="definitions">${terms.map(({ term, meaning, chance }) => html`<div><dt>${term}</dt><dd>${meaning}${chance === null ? null : html` <b>Chance:</b> ${chance}`}</dd></div>\n`)}</dl></section>`
}
