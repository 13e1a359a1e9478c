import { fail } from '../../base/errors.ts'
import {
  add,
  div,
  log,
  matmul,
  mean,
  mul,
  neg,
  oneHot,
  reshape,
  softmax,
  sub,
  sum,
  type Tensor,
  transpose,
} from '../../graph/index.ts'
import { rowCount } from '../../graph/ops/indexing.ts'
import type { Labels } from '../../nn/scope.ts'
import { defineConstraint, weight } from './definition.ts'

/**
 * The mutual-information loss, L = −weight · I(C; E), of the classes C of a batch's images and the experts E (Mod-Squad, Chen et al.
 * 2022, arXiv 2212.08066, which has it for tasks and experts):
 *
 *     I(C; E) = Σ_c Σ_e p(c, e) ln(p(c, e) / (p(c) p(e))),   p(c, e) = 1/N Σ_n [c_n = c] p_ne,
 *
 * p_n the full softmax of the logits of image n. It is H(E) − H(E | C): experts are used evenly, and each class by few of them.
 * Range [−weight · min(ln C, ln E), 0].
 */
export const definition = defineConstraint({
  name: 'mutual-information',
  description: 'minus the mutual information of class and expert, as a loss',
  kind: 'soft',
  noise: true,
  needsLabels: true,
  options: {
    weight: weight(0.5),
  },
  create: ({ weight }) => ({
    loss: ({ logits }, { labels }) => mul(neg(informationOf(softmax(logits), known(labels))), weight),
  }),
})

/** The constraint itself, for a layer that is built in code. */
export const mutualInformation = definition.create

/** I(C; E) in nats, of probabilities [N, E]. */
function informationOf(p: Tensor, { indices, classes }: Labels): Tensor {
  const members = oneHot(indices, classes)
  const joint = div(matmul(transpose(members, [1, 0]), p), rowCount(p))
  const ofClass = reshape(mean(members, [0]), [classes, 1])
  const ofExpert = mean(p, [0])
  // A class that the batch lacks, or an expert whose probability is 0, adds nothing.
  const safeLog = (x: Tensor): Tensor => log(add(x, 1e-10))
  return sum(mul(joint, sub(sub(safeLog(joint), safeLog(ofClass)), safeLog(ofExpert))))
}

function known(labels: Labels | undefined): Labels {
  return (
    labels ??
    fail({
      kind: 'usage',
      message:
        'the mutual-information constraint needs the class of each image, and this objective gives none',
      help: 'train it with classificationObjective, or build the network at scope.labelled({ indices, classes }); elsewhere take entropy',
    })
  )
}
