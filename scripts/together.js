// @ts-check
import { spawn } from 'node:child_process'

/*
 * `node scripts/together.js NAME…`: runs scripts of package.json at once. Shows what each has written when it ends, and fails where one
 * of them has failed.
 */

/** @param {string} name @returns {Promise<boolean>} */
const succeeds = name =>
  new Promise(resolve => {
    const child = spawn('npm', ['run', '--silent', name], { shell: process.platform === 'win32' })
    /** @type {Buffer[]} */
    const written = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', part => written.push(part))
    child.on('error', error => written.push(Buffer.from(`${error.message}\n`)))
    child.on('close', code => {
      process.stderr.write(Buffer.concat(written))
      if (code !== 0) process.stderr.write(`npm run ${name} failed\n`)
      resolve(code === 0)
    })
  })

const ends = await Promise.all(process.argv.slice(2).map(succeeds))
process.exitCode = ends.every(Boolean) ? 0 : 1
