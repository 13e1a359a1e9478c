import type { Theme } from 'vitepress'
// The fonts of the system: nothing to load.
import DefaultTheme from 'vitepress/theme-without-fonts'
import PlaygroundFrame from './PlaygroundFrame.vue'
import './style.css'

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => {
    app.component('PlaygroundFrame', PlaygroundFrame)
  },
} satisfies Theme
