import type { Findings } from '../analysis/findings.ts'
import { html, type Markup } from './markup.ts'

/** A measure in a sentence or two, and what it would be by chance. */
export interface Definition {
  readonly term: string
  readonly meaning: string
  readonly chance: string | null
}

/** Of the routing, whatever the task. */
const routing: readonly Definition[] = [
  {
    term: 'Mean gate weight',
    meaning:
      'A gate gives each image K of E experts, with weights that sum to 1. In a detector’s head it routes each level of an image by itself, from P3 (fine, for small objects) to P7 (coarse, for large ones). An expert’s share is its mean weight over all that is routed.',
    chance: 'Even experts have 1 / E each.',
  },
  {
    term: 'Chosen by',
    meaning:
      'The share of images (or levels of images) that gave the expert any weight. The shares of all experts sum to K.',
    chance: 'Even experts: K / E.',
  },
  {
    term: 'Active, CV',
    meaning:
      'An expert is active, or in use, with more than 1 % of the weight. CV is the standard deviation of the shares divided by their mean.',
    chance: 'Even experts have a CV of 0; with all weight on one expert it is √(E − 1).',
  },
  {
    term: 'Lift',
    meaning:
      'The mean weight that a class (or superclass, level, size) gives an expert, divided by the mean weight that all give it.',
    chance: 'Without preference 1. The most it can be is 1 ÷ the expert’s share.',
  },
  {
    term: 'I(class; expert)',
    meaning:
      'Mutual information, in bits, of an image’s class and its expert, with mean weights as probabilities. “Explains 27 %” is this, divided by the entropy of the experts’ shares.',
    chance:
      'Not 0: any finite number of images shows some. The red tick is the mean over shuffled labels, the line next to it reaches their 95th percentile, and p is how often shuffled labels reach what was found.',
  },
  {
    term: 'I(image; expert)',
    meaning:
      'How much the routing depends on the image at all: the entropy of the mean weights, less the mean entropy of each image’s weights. Balanced experts alone prove nothing; if every image is treated alike, this is 0.',
    chance: '0 for a gate that ignores the image.',
  },
  {
    term: 'I(attribute; expert)',
    meaning:
      'The same with groups of images by colour, brightness, texture (mean spatial frequency) or a column of a file that was given. Given the class: the mean over sets of images with the same classes, so it is what the attribute tells beyond them. An expert is explained best by the attribute from which its weight is predicted best, each image from the others.',
    chance:
      'Images exchange their weights; given the class, images with the same classes. With many classes and few images of each, chance is far above 0.',
  },
  {
    term: 'Chosen together',
    meaning: 'The share of images whose K experts include both of a pair.',
    chance: 'K of E drawn at random: K(K − 1) / E(E − 1).',
  },
  {
    term: 'Single expert, leave one out, equal weights',
    meaning:
      'The network unchanged, except that in one layer a single expert computes every image, or the gate chooses among the others, or all experts have equal weights. Nothing is trained again.',
    chance: 'If it did not matter who computes an image, nothing would change.',
  },
]

/** One paragraph a measure. */
export function definitionsSection({ layers }: Findings, own: readonly Definition[]): Markup {
  const terms = layers.length === 0 ? own : [...own, ...routing]
  return html`<section id="definitions" aria-labelledby="definitions-title"><h2 id="definitions-title">What the measures mean</h2>
<dl class="definitions">${terms.map(({ term, meaning, chance }) => html`<div><dt>${term}</dt><dd>${meaning}${chance === null ? null : html` <b>Chance:</b> ${chance}`}</dd></div>\n`)}</dl></section>`
}
