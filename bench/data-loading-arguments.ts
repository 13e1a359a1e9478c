import { parseArgs } from 'node:util'

/** What `npm run bench:data` takes. @throws for anything else */
export const dataLoadingArguments = (args: readonly string[] = process.argv.slice(2)) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      images: { type: 'string' },
      side: { type: 'string', default: '48' },
      classes: { type: 'string', default: '100' },
      size: { type: 'string' },
      batch: { type: 'string', default: '64' },
      cache: { type: 'string', default: 'off' },
      links: { type: 'boolean', default: false },
    },
  })
