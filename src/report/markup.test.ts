import { describe, expect, it } from 'vitest'
import { fitted, html, name, prose, shown } from './markup.ts'

describe('markup', () => {
  it('escapes what is put into it, in content and in attributes', () => {
    const evil = `<script>alert("1" & '2')</script>`
    expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
      '<p title="&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;">&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;</p>',
    )
  })

  it('takes markup, lists and nothing', () => {
    expect(html`<ul>${['a', 'b'].map(item => html`<li>${item}</li>`)}${null}</ul>`.text).toBe(
      '<ul><li>a</li><li>b</li></ul>',
    )
  })

  it('writes a number that is none as a dash', () => {
    expect(html`${Number.NaN} ${Number.POSITIVE_INFINITY} ${0}`.text).toBe('– – 0')
  })

  it('shows names with control characters, turned writing and halves of letters as escapes', () => {
    expect(shown('a\u202eb\u0007c\ud800')).toBe('a\\u202eb\\u0007c\\ud800')
    expect(shown('maple_tree')).toBe('maple tree')
    expect(shown('')).toBe('(no name)')
    expect(shown('حصان')).toBe('حصان')
  })

  it('keeps names of other scripts from turning what follows', () => {
    expect(name('dolphin').text).toBe('dolphin')
    expect(name('حصان').text).toBe('<bdi>حصان</bdi>')
    expect(prose('حصان كبير, שם: 1.7 × chance').text).toBe(
      '<bdi>حصان كبير</bdi>, <bdi>שם</bdi>: 1.7 × chance',
    )
  })

  it('cuts names to a width, in which letters of East Asia and emoji count twice', () => {
    expect(fitted('dolphin', 7)).toBe('dolphin')
    expect(fitted('aquarium fish', 10)).toBe('aquarium…')
    expect(fitted('日本語の名前', 7)).toBe('日本語…')
    expect(fitted('🐬🐬🐬🐬', 5)).toBe('🐬🐬…')
  })
})
