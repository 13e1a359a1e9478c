import { spawnSync } from 'node:child_process'
import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  asciiJson,
  csvField,
  hasInvisible,
  htmlText,
  latex,
  markdown,
  markdownCode,
  shellWord,
  terminal,
  visible,
  visibleJson,
} from './escaping.ts'

const invisible = [
  ...Array.from({ length: 0x20 }, (_, code) => code),
  ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i),
  ...[0xad, 0x61c, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff],
  ...[0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
].map(code => String.fromCharCode(code))

const hostile = [
  ...invisible.map(letter => `a${letter}b`),
  '$(touch owned)',
  "`touch owned`'; touch owned; '",
  'x\ntouch owned\n',
  'x\r\ntouch owned',
  "'\\''\n\\",
  '"\\\n---\nkey: value',
  '!!js/function x',
  '-',
  '',
  ' a ',
  '日本語\u202eمرحبا👩‍🚀',
]

describe('untrusted text', () => {
  it('escapes invisible characters and keeps visible ones', () => {
    for (const letter of invisible) {
      expect(hasInvisible(letter)).toBe(true)
      expect(visible(`a${letter}b`)).toMatch(/^a\\(n|r|t|u[\da-f]{4})b$/)
      expect(terminal(`a${letter}b`) === `a${letter}b`).toBe(letter === '\n')
    }
    expect(visible('\ud800')).toBe('\\ud800')
    const seen = 'Ünïcödé – 日本語 مرحبا 👩‍🚀 \u202f×'
    expect([visible(seen), hasInvisible(seen)]).toEqual([seen, false])
  })

  it('passes only line breaks and Moiety’s own styles to a terminal', () => {
    expect(terminal('\u001b[1mbold\u001b[22m\nnext\r\n')).toBe('\u001b[1mbold\u001b[22m\nnext\r\n')
    expect(terminal('\u001b]0;t\u0007\u001b[2J\u009b1A\rx')).toBe('\\u001b]0;t\\u0007\\u001b[2J\\u009b1A\\rx')
  })

  it('is one word of bash with the same value, on one line', () => {
    const words = hostile.filter(word => !word.includes('\0'))
    const line = words.map(shellWord).join(' ')
    expect(line).not.toMatch(/\p{Cc}|[\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff](?<!\u200d)/u)
    const { stdout } = spawnSync('bash', ['--norc', '-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
    expect(stdout.split('\0').slice(0, -1)).toEqual(words)
  })

  it('round-trips through YAML and JSON, escaped in their source', () => {
    for (const text of [visibleJson(hostile), asciiJson(hostile, 2)]) {
      expect(hasInvisible(text.replaceAll('\n', ''))).toBe(false)
      expect(JSON.parse(text)).toEqual(hostile)
      expect(parse(text)).toEqual(hostile)
    }
    expect(asciiJson('é👩')).toBe('"\\u00e9\\ud83d\\udc69"')
  })

  it('is not a formula in CSV; numbers stay numbers', () => {
    expect(['=1+1', '+A1', '-A1', '@SUM(A1)', ' =1', '＝1'].map(csvField)).toEqual([
      "'=1+1",
      "'+A1",
      "'-A1",
      "'@SUM(A1)",
      `"' =1"`.replace(/"/g, ''),
      "'＝1",
    ])
    expect(['-0.5', '+1', '1e-7', '-1e+10'].map(csvField)).toEqual(['-0.5', '+1', '1e-7', '-1e+10'])
    expect(['\t=1', '\r=1', 'a\nb', 'a,"b"', '=a,b'].map(csvField)).toEqual([
      '\\t=1',
      '\\r=1',
      'a\\nb',
      '"a,""b"""',
      `"'=a,b"`,
    ])
  })

  it('stays a text in Markdown, LaTeX and HTML', () => {
    expect(markdown('a|b\n# <img src=x> [l](u) `c` &lt; $x$')).toBe(
      'a\\|b\\n\\# \\<img src=x\\> \\[l\\](u) \\`c\\` \\&lt; \\$x\\$'.replace('b\\n', 'b\\\\n'),
    )
    expect([markdown('- a'), markdown('+ a'), markdown('1. a')]).toEqual(['\\- a', '\\+ a', '1\\. a'])
    expect([markdownCode('a`b'), markdownCode('`'), markdownCode('a\nb')]).toEqual([
      '``a`b``',
      '`` ` ``',
      '`a\\nb`',
    ])
    expect(latex('\\input{x}\n[1]')).toBe('\\textbackslash{}input\\{x\\}\\textbackslash{}n{[}1{]}')
    const name = '"><script>alert(1)</script>\u202e\u0000'
    const { document } = parseHTML(
      `<html><body><p title="${htmlText(name)}">${htmlText(name)}</p></body></html>`,
    )
    const seen = '"><script>alert(1)</script>\\u202e\\u0000'
    const paragraph = document.querySelector('p')
    expect([paragraph?.textContent, paragraph?.getAttribute('title')]).toEqual([seen, seen])
    expect(document.querySelector('script')).toBeNull()
  })
})
