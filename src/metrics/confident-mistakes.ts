/** An image that was named wrong. */
export interface Mistake {
  /** Its number. */
  readonly image: number
  readonly label: number
  readonly prediction: number
  /** The probability of the class that was named, from 0 to 1. */
  readonly confidence: number
}

/**
 * The wrong answers with the largest probabilities: wrong labels and the images that a network does not understand are among them
 * (Northcutt et al. 2021). Equal ones in the order of the images.
 *
 * @param predictions - int32 [N], the class that was named
 * @param confidences - [N], its probability
 * @param labels - int32 [N], the class that it is
 */
export function confidentMistakes(
  predictions: ArrayLike<number>,
  confidences: ArrayLike<number>,
  labels: ArrayLike<number>,
  most: number,
): Mistake[] {
  return Array.from(labels, (label, image) => ({
    image,
    label,
    prediction: predictions[image]!,
    confidence: confidences[image]!,
  }))
    .filter(({ label, prediction }) => label !== prediction)
    .sort((a, b) => b.confidence - a.confidence || a.image - b.image)
    .slice(0, most)
}

/** A class that an image was wrongly said to show, or not to show. */
export interface LabelMistake {
  readonly image: number
  readonly label: number
  /** The probability that the image shows the class. */
  readonly probability: number
}

/** The most confident mistakes of both kinds. */
export interface LabelMistakes {
  /** Found, though the image does not have the label: the most probable first. */
  readonly found: readonly LabelMistake[]
  /** Missed, though the image has the label: the least probable first. */
  readonly missed: readonly LabelMistake[]
}

/**
 * The most confident mistakes about single labels. Labels that are found wrongly and such that are missed are ranked apart: where
 * labels are rare, those missed would fill a common list, since nearly all probabilities are near 0.
 *
 * @param probabilities - [N, classes], row after row
 * @param targets - likewise, 1 where the image shows the class
 * @param thresholds - of each class: found is what is at least as probable
 */
export function labelMistakes(
  probabilities: ArrayLike<number>,
  targets: ArrayLike<number>,
  thresholds: readonly number[],
  most: number,
): LabelMistakes {
  const classes = thresholds.length
  const [found, missed]: [LabelMistake[], LabelMistake[]] = [[], []]
  for (let at = 0; at < targets.length; at++) {
    const [image, label] = [Math.floor(at / classes), at % classes]
    const probability = probabilities[at]!
    const isFound = probability >= thresholds[label]!
    if (isFound && targets[at] === 0) found.push({ image, label, probability })
    else if (!isFound && targets[at] === 1) missed.push({ image, label, probability })
  }
  const order = (a: LabelMistake, b: LabelMistake): number => a.image - b.image || a.label - b.label
  return {
    found: found.sort((a, b) => b.probability - a.probability || order(a, b)).slice(0, most),
    missed: missed.sort((a, b) => a.probability - b.probability || order(a, b)).slice(0, most),
  }
}
