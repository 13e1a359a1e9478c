/** The part of markdown-it that the tests use; its own types are three packages more. */
declare module 'markdown-it' {
  export interface Token {
    readonly type: string
    /** The words after the opening fence. */
    readonly info: string
    readonly content: string
    /** First line, and the one after the last, from 0; null of what stands within a line. */
    readonly map: readonly [number, number] | null
    readonly children: readonly Token[] | null
  }
  export default class MarkdownIt {
    parse(text: string, environment: object): Token[]
  }
}
