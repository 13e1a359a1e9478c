import { z } from 'zod'
import { describeSchema } from '../base/schemas.ts'
import { addedComponents } from '../config/components.ts'
import { clean, type Paint } from './screen.ts'

/** What was added by `--use` and recipes: each component with its options. */
export function componentsText(paint: Pick<Paint, 'bold' | 'dim'>): string {
  return addedComponents()
    .map(({ component: { component, name, description, schema }, source }) => {
      const from = source === null ? '' : paint.dim(`  ${clean(source.file)}`)
      const options = Object.entries(schema.shape).flatMap(([key, option]) => {
        if (key === 'name') return []
        const meaning = option instanceof z.ZodType ? (option.description ?? '') : ''
        return [`    ${clean(key)}  ${paint.dim(clean(describeSchema(option)))}  ${clean(meaning)}`]
      })
      return [`  ${component} ${paint.bold(name)}: ${clean(description)}${from}`, ...options].join('\n')
    })
    .join('\n')
}
