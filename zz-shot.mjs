import { chromium } from 'playwright-core'
const [file, out, selector] = process.argv.slice(2)
const exe = process.env.CHROMIUM || '/usr/bin/chromium'
const browser = await chromium.launch({ executablePath: exe, args: ['--no-sandbox'] })
for (const [name, width, scheme] of [['light', 1200, 'light'], ['dark', 1200, 'dark'], ['phone', 390, 'light']]) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme })
  await page.goto('file://' + file)
  const el = page.locator(selector).first()
  await el.scrollIntoViewIfNeeded()
  await el.screenshot({ path: `${out}-${name}.png` })
  console.log(name, await page.evaluate(() => document.documentElement.scrollWidth - innerWidth))
  await page.close()
}
await browser.close()
