// @ts-check
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { packAll } from './pack.js'

/*
 * npm run release: checks everything, then publishes with provenance, which npm grants only in a workflow
 * (.github/workflows/release.yml). Elsewhere, or with --dry-run, it stops before it publishes and says so; with --check it only
 * looks at the checkout.
 */
const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * What keeps a checkout from being released.
 *
 * @param {{ manifest: any, changelog: string, changes: string, tags: readonly string[] }} checkout - `changes` as `git status
 *   --porcelain` has them, `tags` of the commit
 * @returns {string[]}
 */
export function reasonsAgainst({ manifest, changelog, changes, tags }) {
  const { version, repository, bugs, homepage } = manifest
  const reasons = []
  for (const [field, value] of Object.entries({ repository: repository?.url, bugs, homepage })) {
    if (typeof value !== 'string' || /OWNER/.test(value))
      reasons.push(`"${field}" in package.json is a placeholder (${value}): put the real address there`)
  }
  if (manifest.private === true) reasons.push('package.json is private')
  if (changes.trim() !== '') reasons.push(`there are uncommitted changes:\n${changes.trimEnd()}`)
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) reasons.push(`"${version}" is no version`)
  if (!tags.includes(`v${version}`)) reasons.push(`the commit has no tag v${version}`)
  const escaped = version.replaceAll('.', '\\.')
  if (!new RegExp(`^## \\[${escaped}\\] - \\d{4}-\\d{2}-\\d{2}$`, 'm').test(changelog))
    reasons.push(`CHANGELOG.md has no "## [${version}] - YYYY-MM-DD"`)
  const unreleased = /^## \[Unreleased\]\n([\s\S]*?)(?=^## \[|(?![\s\S]))/m.exec(changelog)?.[1] ?? ''
  if (unreleased.trim() !== '') reasons.push('CHANGELOG.md has entries under "Unreleased"')
  return reasons
}

/** @param {string} program @param {readonly string[]} words */
const run = (program, words) => execFileSync(program, words, { cwd: root, stdio: 'inherit' })
/** @param {readonly string[]} words */
const git = words => execFileSync('git', words, { cwd: root, encoding: 'utf8' })

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const reasons = reasonsAgainst({
    manifest: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')),
    changelog: readFileSync(join(root, 'CHANGELOG.md'), 'utf8'),
    changes: git(['status', '--porcelain']),
    tags: git(['tag', '--points-at', 'HEAD']).split('\n'),
  })
  if (reasons.length > 0) {
    console.error(`This cannot be released:\n${reasons.map(reason => `- ${reason}`).join('\n')}`)
    process.exit(1)
  }
  if (process.argv.includes('--check')) process.exit(0)
  run('npm', ['ci'])
  run('npm', ['test'])
  const tarballs = packAll(join(root, 'build'))
  const inWorkflow = process.env.GITHUB_ACTIONS === 'true'
  if (!inWorkflow || process.argv.includes('--dry-run')) {
    console.log(
      `Packed, and not published${inWorkflow ? '' : ' (only the workflow release.yml publishes)'}:\n${tarballs.join('\n')}`,
    )
    process.exit(0)
  }
  for (const tarball of tarballs) {
    // ONNX Runtime and the artwork have versions of their own, and may be there already.
    if (isPublished(tarball)) console.log(`${tarball} is published already`)
    else run('npm', ['publish', tarball, '--provenance', '--access', 'public'])
  }
}

/** @param {string} tarball */
function isPublished(tarball) {
  const { name, version } = JSON.parse(
    execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }),
  )
  try {
    return (
      execFileSync('npm', ['view', `${name}@${version}`, 'version'], {
        encoding: 'utf8',
        stdio: 'pipe',
      }).trim() !== ''
    )
  } catch {
    return false
  }
}
