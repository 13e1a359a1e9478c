import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const text = readFileSync('THIRD_PARTY_NOTICES.txt', 'utf8')

// Elsewhere libvips is another package.
it.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'THIRD_PARTY_NOTICES.txt is what `npm run notices` writes',
  () => {
    const { stderr } = spawnSync(process.execPath, ['scripts/notices.js', '--check'], { encoding: 'utf8' })
    expect(stderr).toBe('')
  },
)

it('names the native libraries, those under the LGPL among them, and the vendors of the artwork', () => {
  expect(text).toMatch(
    /Lesser General Public License[\s\S]*fribidi, glib, libexif, libheif, librsvg, libvips, pango/,
  )
  for (const name of ['ONNX Runtime', 'dxcompiler.dll', 'Noto Emoji', 'Twemoji', 'Fluent Emoji', 'bullmq'])
    expect(text).toContain(name)
})
