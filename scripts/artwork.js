import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'

/*
 * Writes packages/artwork: of the emoji of three vendors those that the sample and the scenes draw, 64×64, without loss
 * (src/data/artwork-package.ts describes the files). Decoding and resizing happen here, once, so drawings are the same whatever
 * version of sharp and whatever processor draws them. Needed only when sources or subgroups change: `node scripts/artwork.js`.
 */
const size = 64
/** Few, so that little is decoded for one glyph; enough for all skin tones of one, which compress together. */
const glyphsOfSheet = 12
const out = fileURLToPath(new URL('../packages/artwork/', import.meta.url))

const vendors = [
  {
    vendor: 'noto',
    name: 'emoji-datasource-google',
    version: '16.0.0',
    file: code => `img/google/64/${code}.png`,
  },
  {
    vendor: 'twemoji',
    name: 'emoji-datasource-twitter',
    version: '16.0.0',
    file: code => `img/twitter/64/${code}.png`,
  },
  {
    vendor: 'fluent',
    name: '@lobehub/fluent-emoji-3d',
    version: '1.1.0',
    file: code => `assets/${code}.webp`,
  },
]

/** Subgroups of the classes of the sample and the scenes (src/data/artwork.ts, src/data/detection/scene-classes.ts). */
const { sampleClasses } = await import('../dist/data/artwork.js')
const { sceneClasses } = await import('../dist/data/detection/scene-classes.js')
const groups = [...sampleClasses, ...sceneClasses.flatMap(({ from }) => from)]
const wanted = new Set(groups.flatMap(([group, names]) => names.map(name => `${group}/${name}`)))

const folder = mkdtempSync(join(tmpdir(), 'moiety-artwork-'))
const packages = vendors.map(({ name, version }) => `${name}@${version}`)
execFileSync('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-save', ...packages], {
  stdio: 'inherit',
})
/** @param {number} vendor @param {string} code */
const fileOf = (vendor, code) =>
  join(folder, 'node_modules', vendors[vendor].name, vendors[vendor].file(code))

const entries = JSON.parse(readFileSync(join(folder, 'node_modules', vendors[0].name, 'emoji.json'), 'utf8'))
const emoji = entries
  .filter(({ category, subcategory }) => wanted.has(`${category}/${subcategory}`))
  .map(({ name, category, subcategory, unified, skin_variations: tones = {} }) => {
    const all = [unified, ...Object.values(tones).map(tone => tone.unified)].map(code => code.toLowerCase())
    const codes = all.filter(code => vendors.every((_, vendor) => existsSync(fileOf(vendor, code))))
    return { name, category, subcategory, unified, codes }
  })
const codes = emoji.flatMap(each => each.codes)
const sheets = Array.from({ length: Math.ceil(codes.length / glyphsOfSheet) }, (_, i) => ({
  codes: codes.slice(i * glyphsOfSheet, (i + 1) * glyphsOfSheet),
  bytes: /** @type {[number, number][]} */ ([]),
}))

for (const [vendor, { vendor: name }] of vendors.entries()) {
  /** @type {Buffer[]} */
  const images = []
  let end = 0
  for (const sheet of sheets) {
    const glyphs = sheet.codes.map(code =>
      sharp(fileOf(vendor, code))
        .toColourspace('srgb')
        .ensureAlpha()
        .resize(size, size, { fit: 'contain', background: '#0000' })
        .raw()
        .toBuffer(),
    )
    const raw = { width: size, height: size * glyphs.length, channels: /** @type {const} */ (4) }
    const image = await sharp(Buffer.concat(await Promise.all(glyphs)), { raw })
      .webp({ lossless: true, effort: 6 })
      .toBuffer()
    sheet.bytes.push([end, end + image.length])
    end += image.length
    images.push(image)
  }
  writeFileSync(join(out, `${name}.bin`), Buffer.concat(images))
}
writeFileSync(join(out, 'artwork.json'), `${JSON.stringify({ sources: packages, emoji, sheets })}\n`)
rmSync(folder, { recursive: true })
