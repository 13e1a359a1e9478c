import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The long tests of the playground, which `npm test` leaves out. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  resolve: {
    alias: [
      {
        find: /^moiety\/(\w+)$/,
        replacement: `${fileURLToPath(new URL('../src', import.meta.url))}/$1/index.ts`,
      },
    ],
  },
  test: { include: ['test/*.test.ts'], testTimeout: 600_000, hookTimeout: 300_000 },
})
