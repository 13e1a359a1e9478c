import { html, type Markup, trusted } from './markup.ts'
import { styleSheet } from './style.ts'

/** What sets the head of one page apart from another's. */
export interface HeadContent {
  readonly title: string
  /** What made the page. */
  readonly generator: string
  /** Rules in addition to the common ones. */
  readonly style?: string
  /** Hash of the one script that may run, as a policy has it; none may where it is left out. */
  readonly script?: string
}

/** The head of every page: nothing is loaded from anywhere, and no script runs but the one that is known. */
export function head({ title, generator, style = '', script }: HeadContent): Markup {
  const policy = [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    ...(script === undefined ? [] : [`script-src '${script}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  return html`<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="${generator}">
<title>${title}</title>
<style>${trusted(styleSheet() + style)}</style>
</head>`
}
