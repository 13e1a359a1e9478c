// @ts-check
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * Writes THIRD_PARTY_NOTICES.txt: whose code is bundled in dist/ (as the last build noted), what is installed with Moiety, native
 * libraries, and artwork. `npm run notices`; with --check it compares.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
/** @param {string} path */
const read = path => readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n').trim()

/** Texts of packages that come without a file with their licence. */
const texts = /** @type {Record<string, string>} */ ({
  '@bufbuild/protobuf': 'third-party/protobuf-es.txt',
  '@koromix/koffi-linux-x64': 'third-party/koffi.txt',
  'onnxruntime-common': 'third-party/onnxruntime/LICENSE',
})

/** @param {string} folder */
function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(read(`${folder}/package.json`))
  const files = readdirSync(join(root, folder))
    .filter(file => /^(licen[cs]e|copying|notice)/i.test(file))
    .sort()
  const title = `${name} ${version} (${license ?? 'see its text'})`
  const paths = files.length > 0 ? files.map(file => `${folder}/${file}`) : [texts[name]]
  if (paths[0] !== undefined) return [title, ...paths.map(read)].join('\n\n')
  const by = typeof author === 'string' ? author : author?.name
  if (license === 'MIT' && by !== undefined)
    return [title, `Copyright ${by}`, read('third-party/mit.txt')].join('\n\n')
  throw new Error(`${folder} has no file with its licence; add one to scripts/notices.js`)
}

/** Every package that is installed with Moiety on this system, from the manifest down. */
function installedWith() {
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json'))
  /** @type {Set<string>} */
  const found = new Set()
  const waiting = [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]
  for (const name of waiting) {
    const folder = `node_modules/${name}`
    if (found.has(folder) || !existsSync(join(root, folder))) continue
    found.add(folder)
    const { dependencies: more = {}, optionalDependencies: optional = {} } = JSON.parse(
      read(`${folder}/package.json`),
    )
    waiting.push(...Object.keys(more), ...Object.keys(optional))
  }
  return [...found].sort()
}

const line = '='.repeat(100)

function noticesText() {
  /** @type {string[]} */
  const bundled = JSON.parse(read('.cache/bundled.json')).filter((/** @type {string} */ folder) =>
    existsSync(join(root, folder)),
  )
  const installed = installedWith()
  const libvips = installed.find(folder => /sharp-libvips/.test(folder))
  const table =
    libvips === undefined ? [] : [...read(`${libvips}/README.md`).matchAll(/^\| (\S+) +\| (.+?) +\|$/gm)]
  const libraries = table.flatMap(([, name, licence]) =>
    name === 'Library' || /^-+$/.test(name)
      ? []
      : [{ name, licence: licence.replace(/\[([^\]]*)\]\(([^)]*)\)/g, '$1 ($2)') }],
  )
  const lesser = libraries.filter(({ licence }) => licence.includes('LGPL')).map(({ name }) => name)
  const sharp = JSON.parse(read('node_modules/sharp/package.json')).version
  const engine = JSON.parse(read('node_modules/onnxruntime-node/package.json')).version
  const others = installed.filter(folder => !/\/@(img\/sharp-|moiety)/.test(folder))
  const packages = [...new Set([...bundled, ...others])].map(licenceOf)
  return `${[
    `Moiety contains, or installs with it, work of others under the licences below. Moiety itself is under the MIT License (LICENSE).
Written by scripts/notices.js; do not edit.

1. Native libraries
2. Artwork of the sample and the scenes
3. Code bundled in dist/, and JavaScript packages that are installed with Moiety`,
    `1. NATIVE LIBRARIES

ONNX Runtime ${engine}, Copyright Microsoft Corporation, MIT License: as the package @moiety/onnxruntime-SYSTEM, with its LICENSE and
ThirdPartyNotices.txt. Unchanged; DirectML.dll is left out.

${read('third-party/direct3d.txt')}

sharp ${sharp} (Apache License 2.0, text in part 3) decodes images with libvips, which is installed as the package @img/sharp-libvips-SYSTEM or
in @img/sharp-SYSTEM, together with the libraries that it uses. Under the GNU Lesser General Public License, version 3 or later
(https://www.gnu.org/licenses/lgpl-3.0.html, https://www.gnu.org/licenses/gpl-3.0.html):

    ${lesser.join(', ')}

They are shared libraries of packages of their own, so they can be replaced by changed versions; their sources and how they are
built are at https://github.com/lovell/sharp-libvips. All libraries there, with their licences:

${libraries.map(({ name, licence }) => `    ${name.padEnd(16)}${licence}`).join('\n')}`,
    `2. ARTWORK OF THE SAMPLE AND THE SCENES (package @moiety/artwork)

${read('packages/artwork/LICENSE')}`,
    `3. CODE BUNDLED IN dist/, AND JAVASCRIPT PACKAGES THAT ARE INSTALLED WITH MOIETY`,
    ...packages,
  ].join(`\n\n${line}\n\n`)}\n`
}

const file = join(root, 'THIRD_PARTY_NOTICES.txt')
if (!process.argv.includes('--check')) writeFileSync(file, noticesText())
else if (noticesText() !== readFileSync(file, 'utf8').replaceAll('\r\n', '\n')) {
  console.error('THIRD_PARTY_NOTICES.txt is not current: npm run notices')
  process.exitCode = 1
}
