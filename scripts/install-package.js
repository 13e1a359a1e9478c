// @ts-check
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { startRegistry } from './registry.js'

/*
 * node scripts/install-package.js PROJECT TARBALL… installs moiety from a registry on loopback into the empty folder PROJECT, as a new
 * user would: default settings, an empty home, and no way to any other host. With NPM=PATH, that npm. It prints, as JSON, what
 * npm said and what it asked the registry for.
 */
const [project = 'project', ...tarballs] = process.argv.slice(2)
const registry = await startRegistry(tarballs)
const home = join(project, '..', 'home')
mkdirSync(home, { recursive: true })
mkdirSync(project, { recursive: true })
writeFileSync(join(project, 'package.json'), '{}\n')
const nowhere = 'http://127.0.0.1:9'
const env = {
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  ...(process.env.SystemRoot === undefined
    ? {}
    : { SystemRoot: process.env.SystemRoot, ComSpec: process.env.ComSpec }),
  HOME: home,
  USERPROFILE: home,
  APPDATA: home,
  ...{ HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, http_proxy: nowhere, https_proxy: nowhere },
  ...{ NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1', GLOBAL_AGENT_HTTPS_PROXY: nowhere },
  npm_config_registry: registry.url,
}
const words = ['install', 'moiety']
const [program, args] =
  process.env.NPM === undefined
    ? [process.platform === 'win32' ? 'npm.cmd' : 'npm', words]
    : [process.execPath, [process.env.NPM, ...words]]
try {
  const { stdout, stderr } = await promisify(execFile)(program, args, {
    cwd: project,
    env,
    shell: program.endsWith('.cmd'),
  })
  console.log(JSON.stringify({ node: process.version, output: stdout + stderr, asked: registry.asked }))
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
registry.close()
process.exit()
