import { defineConfig } from 'vitepress'
import { githubSlug } from './github-slug.ts'
import { repositoryLinks } from './repository-links.ts'
import { apiSidebar, sidebar } from './sidebar.ts'

const groups = sidebar()
const results = groups.find(({ text }) => text === 'Results')!.items[0]!.link

// `npm run docs` builds the site into docs/.vitepress/dist; `npm run docs:dev` serves it while pages are written.
export default defineConfig({
  title: 'Moiety',
  description: 'Mixtures of experts in convolutional networks: trained, balanced, explained.',
  lang: 'en',
  // Where the site is served from, as /moiety/.
  base: (process.env.DOCS_BASE ?? '/') as `/${string}/`,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  srcExclude: ['test/**'],
  markdown: {
    anchor: { slugify: githubSlug },
    toc: { slugify: githubSlug },
    headers: { slugify: githubSlug },
    config: repositoryLinks,
  },
  transformPageData: page => {
    // The playground needs the whole width.
    if (page.relativePath === 'guide/playground.md') page.frontmatter.aside = false
  },
  vite: { build: { chunkSizeWarningLimit: 2000 } },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/guide/', activeMatch: '/guide/(?!playground)' },
      { text: 'Reference', link: '/reference/cli', activeMatch: '/reference/' },
      { text: 'Explanation', link: '/explanation/how-it-works', activeMatch: '/explanation/' },
      { text: 'Results', link: results },
      { text: 'API', link: '/api/', activeMatch: '/api/' },
      { text: 'Playground', link: '/guide/playground' },
    ],
    sidebar: { '/api/': apiSidebar(), '/': groups },
    outline: [2, 3] as [number, number],
    search: {
      provider: 'local' as const,
      options: {
        // Guides before the API, whose many short entries would come first. The function is written into the site: it must stand alone.
        miniSearch: { searchOptions: { boostDocument: (id: string) => (id.includes('/api/') ? 0.1 : 1) } },
      },
    },
    footer: { message: 'No analytics; nothing is loaded from other hosts.' },
  },
})
