import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { globSync } from 'tinyglobby'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { version } from '../src/files/version.ts'
import { command } from './tiny.ts'

/* Docker is not at hand where tests run. What can be known without it: that files, stages, commands and names agree. */

const dockerfile = readFileSync('Dockerfile', 'utf8')
/** Instructions with their arguments, continued lines joined. */
const instructions = dockerfile
  .replace(/^\s*#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .flatMap(line => {
    const [, name, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    return name === undefined || rest === undefined ? [] : [{ name, words: rest.trim().split(/\s+/) }]
  })
const of = (wanted: string) => instructions.filter(({ name }) => name === wanted).map(({ words }) => words)

const service = z.object({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
})
const compose = z
  .object({ services: z.record(z.string(), service), volumes: z.record(z.string(), z.null()) })
  .parse(parse(readFileSync('compose.yaml', 'utf8'), { merge: true }))
const own = Object.entries(compose.services).filter(([name]) => name !== 'redis')

it('the image is built in stages, of a slim Node, and runs without root', () => {
  const from = of('FROM')
  expect(from.map(words => words[0])).toEqual(['node:24-bookworm-slim', 'node:24-bookworm-slim'])
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
  expect(last.findLast(({ name }) => name === 'USER')?.words).toEqual(['node'])
  const after = last.slice(last.findIndex(({ name }) => name === 'USER'))
  expect(after.map(({ name }) => name)).not.toContain('RUN')
})

it('what it copies is there, from stages that are there', () => {
  const stages = of('FROM').flatMap(words => (words[1] === 'AS' ? [words[2]] : []))
  const ignored = readFileSync('.dockerignore', 'utf8').trim().split('\n')
  for (const words of of('COPY')) {
    const [first = ''] = words
    if (first.startsWith('--from=')) expect(stages).toContain(first.slice('--from='.length))
    else
      for (const path of words.slice(0, -1)) {
        expect(existsSync(path), path).toBe(true)
        expect(ignored).not.toContain(path)
      }
  }
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  const run = [...dockerfile.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!)
  expect(run.filter(name => scripts[name] === undefined)).toEqual([])
})

it('the compose file has a queue, two workers and the dashboard, of the image of this version', () => {
  expect(Object.keys(compose.services)).toEqual(['redis', 'worker-1', 'worker-2', 'dashboard', 'sweep'])
  for (const [name, { image, build }] of own)
    expect([name, image, build]).toEqual([name, `moiety:${version}`, '.'])
  expect(dockerfile).toContain(`-t moiety:${version} .`)
})

it('its volumes and services are declared, and of the image', () => {
  const folders = /--group node (.*)$/m.exec(dockerfile)?.[1]?.split(' ')
  for (const { volumes, depends_on = {} } of Object.values(compose.services)) {
    expect(Object.keys(depends_on).filter(name => compose.services[name] === undefined)).toEqual([])
    expect(volumes.map(text => text.split(':')[0]!).filter(name => !(name in compose.volumes))).toEqual([])
  }
  for (const [, { volumes }] of own)
    expect(volumes.map(text => text.split(':')[1]).filter(folder => !folders?.includes(folder!))).toEqual([])
})

it('its commands are commands of moiety, with options that they have', () => {
  for (const [name, { command: words, entrypoint = ['moiety'] }] of own) {
    const [, ...all] = [...entrypoint, ...words]
    const { stdout, status } = spawnSync(process.execPath, [command, all[0]!, '--help'], { encoding: 'utf8' })
    expect(status, `${name}: ${all[0]}`).toBe(0)
    const options = all.filter(word => word.startsWith('--') && word !== '--help')
    expect(options.filter(option => !new RegExp(`${option}[ ,\\n]`).test(stdout))).toEqual([])
  }
})

it('files that tell how to build or emit it name no other version', () => {
  const named = globSync('{docs/**/*.md,README.md,CONTRIBUTING.md,compose.yaml,Dockerfile}').flatMap(path =>
    [...readFileSync(path, 'utf8').matchAll(/\bmoiety:(\d+\.\d+\.\d+)/g)].map(
      ([, found]) => `${path} ${found}`,
    ),
  )
  expect(named.filter(text => !text.endsWith(` ${version}`))).toEqual([])
})
