import type { Theme } from 'vitepress'
// The fonts of the system: nothing to load.
import DefaultTheme from 'vitepress/theme-without-fonts'
import { playgroundFrame } from './playground-frame.ts'
import './style.css'

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component('PlaygroundFrame', playgroundFrame)
  },
} satisfies Theme
