import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

/** References to METHOD.md, in itself and everywhere else, name sections that it has. */
const root = new URL('..', import.meta.url)
const method = readFileSync(new URL('docs/explanation/METHOD.md', root), 'utf8')

const headings = [...method.matchAll(/^#{2,3} (\d+(?:\.\d+)?)[. ]/gm)].map(match => match[1]!)
/** A section that is one numbered list has its items for subsections: §6.1 is the first of §6. */
const items = method.split(/^(?=## )/m).flatMap(section => {
  const number = /^## (\d+)\./.exec(section)?.[1]
  if (number === undefined || section.includes('\n### ')) return []
  return [...section.matchAll(/^(\d+)\. /gm)].map(match => `${number}.${match[1]}`)
})
const sections = new Set([...headings, ...items])

const one = /(?:§ ?|sections? |see )(\d+(?:\.\d+)?)/g
const numbersIn = (text: string): string[] => [...text.matchAll(one)].map(match => match[1]!)

const files = ['src', 'docs', 'test', 'recipes', 'bench', 'examples', 'scripts'].flatMap(folder =>
  readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' })
    .filter(
      name => /\.(ts|md|json|py)$/.test(name) && !name.includes('fixtures') && !name.includes('node_modules'),
    )
    .map(name => `${folder}/${name}`),
)

describe('METHOD.md', () => {
  it('has the sections that its own references name', () => {
    const wanted = numbersIn(method)
    expect(wanted.length).toBeGreaterThan(10)
    expect(wanted.filter(number => !sections.has(number))).toEqual([])
  })

  it('has the sections that all other files name', () => {
    const wrong: string[] = []
    let count = 0
    for (const file of ['README.md', ...files.filter(name => name !== 'docs/explanation/METHOD.md')]) {
      const text = readFileSync(new URL(file, root), 'utf8')
      // A list of references that follows the name, as "METHOD.md §1.1, §8.2".
      for (const [list] of text.matchAll(
        /METHOD\.md(?:['’]s)?[ ,]*(?:(?:and |to |–)?(?:§|sections? )\d+(?:\.\d+)?[, –]*)+/g,
      )) {
        const numbers = numbersIn(list)
        count += numbers.length
        wrong.push(...numbers.filter(number => !sections.has(number)).map(number => `${file}: §${number}`))
      }
    }
    expect(count).toBeGreaterThan(100)
    expect(wrong).toEqual([])
  })
})
