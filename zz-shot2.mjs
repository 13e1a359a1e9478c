import { chromium } from 'playwright-core'
const [file, out, text, level] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
for (const [name, width, scheme] of [['light', 1200, 'light'], ['dark', 1200, 'dark'], ['phone', 390, 'light']]) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme })
  await page.goto('file://' + file)
  const el = page.locator('section', { has: page.getByText(text) }).last()
  await el.screenshot({ path: `${out}-${name}.png` })
  console.log(name, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth))
  await page.close()
}
await browser.close()
