import { withBase } from 'vitepress'
import { defineComponent, h, ref } from 'vue'

/** The built playground within a page, loaded when it is asked for: it is large, and computes at once. */
export const playgroundFrame = defineComponent(() => {
  const src = withBase('/playground/index.html')
  const isOpen = ref(false)
  const open = (): void => {
    isOpen.value = true
  }
  const start = () => h('button', { type: 'button', onClick: open }, 'Start it here (19 MB)')
  const link = () => h('a', { href: src, target: '_blank', rel: 'noopener' }, 'Open it on a page of its own')
  return () =>
    h('div', { class: 'playground-frame' }, [
      h('p', [isOpen.value ? '' : start(), link(), ', where it can use several threads.']),
      isOpen.value ? h('iframe', { src, title: 'Playground' }) : '',
    ])
})
