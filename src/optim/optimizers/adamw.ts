import { defineOptimizer, weightDecay } from '../optimizer.ts'
import { adam, moments } from './adam.ts'

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019). */
export const definition = defineOptimizer({
  name: 'adamw',
  description: 'Adam with decoupled weight decay',
  learningRate: 1e-3,
  options: {
    ...moments,
    weightDecay: weightDecay(0.01, 'times learning rate and parameter, taken off the parameter'),
  },
  update: adam('parameter'),
})
