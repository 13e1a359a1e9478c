import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator, Registry } from '../base/component.ts'
import type { Tensor } from '../graph/index.ts'
import type { Scope } from '../nn/index.ts'
import type { Classification } from './resnet.ts'

/** What a network gives for each image. */
export interface NetworkResult extends Classification {
  /** What the last layer makes the logits of, [N, C]; `predict` finds similar images by it. By default the logits. */
  readonly features?: Tensor | undefined
}

/** Builds a network at a scope: images [N, 3, S, S] to one logit for each class. */
export type NetworkBuilder = (
  scope: Scope,
  images: Tensor,
  facts: { readonly classes: number },
) => NetworkResult

/** A network that a configuration can name. */
export type NetworkDefinition = Creator<'network', NetworkBuilder>

/**
 * Defines a network, so that a configuration can name it: `model.network = { name, ...options }`. Every mixture of experts in it
 * is analysed, at the scope where it was built.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineNetwork<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, NetworkBuilder>,
) {
  return defineCreator('network', spec)
}

/** Networks that a program or `--use` has added; the ResNets are described by `model` itself. */
export const networks = new Registry<NetworkDefinition, readonly []>('network', [])
