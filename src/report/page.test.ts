import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { cifar100Classes } from '../../test/cifar100-names.ts'
import { type Synthetic, syntheticFindings } from '../../test/synthetic-findings.ts'
import { withDots } from '../../test/synthetic-pictures.ts'
import {
  type ClassificationExtras,
  type Findings,
  findings as schema,
  type VariantFindings,
} from '../analysis/findings.ts'
import { renderReport } from './page.ts'

const layer = { name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }
const plain: Synthetic = {
  classes: ['ant', 'bee', 'cat', 'dog', 'elk', 'fox'],
  superclasses: ['insects', 'mammals'],
  superclassOf: [0, 0, 1, 1, 1, 1],
  imagesPerClass: 12,
  gallery: 4,
  layers: [layer],
}

function rendered(
  changes: Partial<Synthetic> = {},
  change: (findings: Findings) => Findings = one => one,
): string {
  const { findings, pictures } = syntheticFindings({ ...plain, ...changes })
  return renderReport(change(findings), { task: 'classification', images: withDots(pictures) })
}

/** What a reader sees or hears: text and labels, without styles and scripts. */
function seen(page: string): string {
  return page
    .replace(/<style>.*?<\/style>|<script>.*?<\/script>/gs, '')
    .replace(/<[^>]*?(?:aria-label|title|alt)="([^"]*)"[^>]*>/g, ' $1 ')
    .replace(/<[^>]*>/g, ' ')
}

/** All that makes a page wrong whatever it is about. */
function expectSound(page: string): void {
  const content = page.replace(/<script>.*?<\/script>/s, '')
  expect(content.match(/.{0,80}(?:NaN|undefined|\[object|Infinity|="null").{0,40}/)).toBeNull()
  expect(seen(page).match(/.{0,80}\bnull\b.{0,40}/)).toBeNull()
  const addresses = page.match(/\b(?:https?|ftp|wss?):\/\/[^"' <)]*|(?:src|href)="\/\/[^"]*/g) ?? []
  expect(addresses.filter(address => address !== 'http://www.w3.org/2000/svg')).toEqual([])
  expect(page.match(/@import|<link|<iframe|<object|<embed|<[^>]*\son\w+=/i)).toBeNull()
  const targets = [...page.matchAll(/(?:href="#|popovertarget=")([^"]+)"/g)].map(([, id]) => id ?? '')
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id ?? '')
  expect(new Set(ids).size, 'ids that occur once').toBe(ids.length)
  expect(targets.filter(id => !ids.includes(id))).toEqual([])
}

describe('the report', () => {
  const cifar = { ...cifar100Classes(), imagesPerClass: 4 }
  const second = { ...layer, name: 'layer3', position: 3, sharpness: 0.3 }

  it.each<[string, Partial<Synthetic>]>([
    ['one layer', {}],
    ['two layers', { layers: [second, layer] }],
    ['one hundred classes', cifar],
    ['one expert', { layers: [{ ...layer, experts: 1, k: 1 }] }],
    ['two experts, one an image', { layers: [{ ...layer, experts: 2, k: 1 }] }],
    ['sixteen experts', { ...cifar, layers: [{ ...layer, experts: 16, k: 4 }] }],
    ['twenty experts, more than there are colours', { layers: [{ ...layer, experts: 20 }] }],
    ['no superclasses', { superclasses: null, superclassOf: null }],
    ['classes without images', { without: [0, 3] }],
    ['a superclass without images', { without: [0, 1] }],
    ['no images at all', { imagesPerClass: 0 }],
    ['one image of each class', { imagesPerClass: 1 }],
    ['experts that are never used', { layers: [{ ...layer, dead: [1, 2] }] }],
    ['all experts but one unused', { layers: [{ ...layer, k: 1, dead: [0, 1, 2] }] }],
    ['empty galleries', { gallery: 0 }],
    ['another run beside it', { against: true }],
    ['no mixtures', { layers: [] }],
  ])('is sound with %s', (_, changes) => expectSound(rendered(changes)))

  it('is sound where everything that may be missing is', () => {
    const page = rendered({ against: true }, blanked)
    expectSound(page)
    expect(page.includes('too few images for a map')).toBe(true)
    expect(page.includes('has no shares of this layer')).toBe(true)
  })

  it('says what attributes of images tell, and by which an expert is explained best', () => {
    const tested = (value: number) => ({
      value,
      chance: 0.01,
      chance95: 0.02,
      p: 1 / 1001,
      permutations: 1000,
    })
    const withAttributes = (one: Findings): Findings => ({
      ...one,
      layers: one.layers.map(layer => ({
        ...layer,
        attributes: [
          {
            ...{ name: '<i>weather', source: 'given' as const, names: ['rain', '"sun'], counts: [10, 20] },
            ...{ missing: 3, entropy: 0.9 },
            affinity: {
              weight: [layer.share, layer.share],
              activation: [layer.share, layer.share],
              lift: [layer.share.map(() => 1), layer.share.map(() => null)],
            },
            information: { ...tested(0.44), share: 0.22 },
            ...{ ofClass: tested(0.47), givenClass: tested(0.43), classGiven: null, givenLevel: null },
            byExpert: layer.share.map(() => tested(0.1)),
          },
        ],
        attributeLeads: {
          choice: { first: 0, second: null, gain: 0.4, difference: null, p: 0 },
          experts: layer.share.map((_, expert) =>
            expert > 0
              ? null
              : {
                  first: 0,
                  second: null,
                  gain: 0.1,
                  difference: null,
                  p: 0,
                  groups: [{ group: 1, weight: 0.5, lift: 2 }],
                },
          ),
        },
      })),
    })
    const page = rendered({}, withAttributes)
    expectSound(page)
    const text = seen(page)
    expect(text).toContain('It explains expert 0 better than every other attribute does.')
    expect(text).toContain('3 images without a value are left out')
    expect(page).not.toContain('<i>weather')
    expect(rendered()).not.toContain('What attributes say about the expert')
  })

  it('writes a dash for what is not a number', () => {
    const broken = (one: Findings): Findings => ({
      ...one,
      loss: Number.NaN,
      measures: { ...one.measures, top1: Number.NaN },
    })
    expectSound(rendered({}, broken))
  })

  it('is the same for the same findings', () => {
    const [once, again] = [rendered(), rendered()]
    expect(once === again).toBe(true)
  })

  it('shows confusions, calibration and the most confident mistakes with their experts', () => {
    const { findings } = syntheticFindings(plain)
    const page = rendered()
    const { answers } = findings.extras as ClassificationExtras
    const [mistake] = answers!.mistakes
    const section = /<section id="mistakes"[\s\S]*?<section id="routes"|<section id="mistakes"[\s\S]*/.exec(
      page,
    )![0]
    expect(section).toContain(`popovertarget="image-${mistake!.image}"`)
    expect(seen(section)).toContain(`taken for  ${findings.data.classes[mistake!.prediction]} , `)
    expect(seen(section)).toContain(
      `The expected calibration error is ${answers!.calibration.ece!.toFixed(3)}`,
    )
    expect(section.match(/<rect[^>]*>\s*<title>ant, named right: /g)).toHaveLength(1)
    expect(page).toContain('<a href="#mistakes">Right and wrong</a>')
    expectSound(
      rendered({}, one => ({
        ...one,
        extras: { ...(one.extras as ClassificationExtras), answers: undefined },
      })),
    )
  })

  it('leaves out what images it does not have', () => {
    const { findings } = syntheticFindings(plain)
    const page = renderReport(findings, null)
    expectSound(page)
    expect(page.includes('are not part of this report')).toBe(true)
  })

  it('says what cannot be shown', () => {
    expect(rendered({ imagesPerClass: 0 }).includes('The test split has no images')).toBe(true)
    expect(rendered({ without: [0] }).includes('no image')).toBe(true)
    expect(rendered({ layers: [{ ...layer, dead: [1] }] }).includes('No image chose expert 1')).toBe(true)
    expect(rendered({ layers: [{ ...layer, dead: [1] }] }).includes('never used')).toBe(true)
    expect(rendered({ layers: [] }).includes('It has no mixture of experts')).toBe(true)
    expect(rendered({ layers: [{ ...layer, experts: 1, k: 1 }] }).includes('There is one expert')).toBe(true)
  })

  it('shows names as names, whatever is in them', () => {
    const names = [
      '<script>alert(1)</script>',
      `"><img src=x onerror='alert(2)'>`,
      'x'.repeat(400),
      'حصان',
      '🐬 & <b>',
      '\u202eevil\u0000',
    ]
    const page = rendered({ classes: names, superclasses: [']]></style><script>', '--></title>'] }, one => ({
      ...one,
      run: { ...one.run, name: '</title><script>alert(3)</script>', recipe: '"\'<' },
      data: { ...one.data, title: '<svg onload=alert(4)>' },
    }))
    expect(page.match(/<script/g)).toHaveLength(1)
    for (const evil of ['<img', '& <b>', '<svg onload', '\u202e', '\u0000'])
      expect(page.includes(evil), evil).toBe(false)
    expect(page.slice(0, page.indexOf('<style>')).match(/<\/title>/g)).toHaveLength(1)
    for (const kept of ['&lt;script&gt;alert(1)&lt;/script&gt;', '<bdi>حصان</bdi>', '🐬 &amp; &lt;b&gt;'])
      expect(page.includes(kept), kept).toBe(true)
  })

  it('shows no picture from elsewhere', () => {
    const { findings, pictures } = syntheticFindings(plain)
    const page = renderReport(findings, {
      task: 'classification',
      images: pictures.map(one => ({ ...one, png: 'https://example.org/pixel.png' })),
    })
    expect(page.includes('example.org')).toBe(false)
  })

  it('allows its own script and no other', () => {
    const page = rendered()
    const script = /<script>(.*?)<\/script>/s.exec(page)?.[1] ?? ''
    const hash = createHash('sha256').update(script).digest('base64')
    expect(page.includes(`script-src &#39;sha256-${hash}&#39;`)).toBe(true)
    expect(page.includes('default-src &#39;none&#39;')).toBe(true)
  })

  it('has every class, every expert and, for every image of a gallery, its alternatives', () => {
    const { findings, pictures } = syntheticFindings({ ...plain, layers: [second, layer] })
    const page = renderReport(findings, { task: 'classification', images: withDots(pictures) })
    for (const index of findings.data.classes.keys()) expect(page.includes(`id="class-${index}"`)).toBe(true)
    for (const [l, { experts }] of classified(findings).layers.entries())
      for (const { expert, gallery } of experts) {
        expect(page.includes(`id="layer-${l}-expert-${expert}"`)).toBe(true)
        for (const image of gallery) expect(page.includes(`id="image-${image}"`)).toBe(true)
      }
  })

  it('is made from findings that the schema takes', () => {
    expect(() => schema.parse(syntheticFindings({ ...plain, against: true }).findings)).not.toThrow()
  })
})

/** The findings with null wherever the schema allows it, and nothing in lists that may be empty. */
function blanked(one: Findings): Findings {
  const empty = (rows: readonly (readonly unknown[])[]): null[][] => rows.map(row => row.map(() => null))
  const affinity = ({ weight }: { weight: readonly (readonly unknown[])[] }) => ({
    weight: empty(weight),
    activation: empty(weight),
    lift: empty(weight),
  })
  const none = (values: readonly unknown[]): null[] => values.map(() => null)
  const variant = (own: VariantFindings): VariantFindings => ({ ...own, perClass: null })
  const extras = classified(one)
  return {
    ...one,
    run: { ...one.run, recipe: null },
    perClass: { top1: none(one.perClass.top1 ?? []) },
    layers: one.layers.map(layer => ({
      ...layer,
      groupings: layer.groupings.map(grouping => ({
        ...grouping,
        affinity: affinity(grouping.affinity),
        information: grouping.information && { ...grouping.information, share: null },
      })),
      leads: { single: null, without: null, pair: null },
      variants: {
        single: layer.variants.single.map(variant),
        without: [],
        byK: layer.variants.byK.map(variant),
        equal: variant(layer.variants.equal),
      },
      history: [],
      agreement: layer.agreement && {
        ...layer.agreement,
        pairs: layer.agreement.pairs.map(pair => ({ ...pair, similarity: null })),
        mean: null,
        chance: null,
        chance95: null,
        p: null,
      },
    })),
    extras: {
      ...extras,
      layers: extras.layers.map(({ experts }) => ({
        map: null,
        experts: experts.map(expert => ({
          ...expert,
          caption: null,
          noCaptionReason: null,
          classes: [],
          superclasses: [],
          gallery: [],
        })),
      })),
    },
  }
}

function classified({ extras }: Findings): ClassificationExtras {
  if (extras?.task !== 'classification') throw new Error('findings of a classifier were expected')
  return extras
}
