// Pictures of every view in both themes, from the pretend backend, and the accessibility audit of each.
// `npm run pictures`; needs a Chromium (CHROMIUM, or /usr/bin/chromium).
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { scenes } from './scenes.mjs';
import { open, root } from './serve.mjs';

const out = join(root, 'shots');
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const only = process.argv.slice(2);

const { base, browser, close } = await open();
await mkdir(out, { recursive: true });

let violations = 0;
let errors = 0;
for (const [name, { query = '', play }] of Object.entries(scenes)) {
  if (only.length > 0 && !only.some((wanted) => name.startsWith(wanted))) continue;
  for (const theme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(6000);
    page.on('pageerror', (error) => {
      errors += 1;
      console.log(`${name} ${theme}: ${error.message}`);
    });
    page.on('console', (message) => {
      if (message.type() === 'error') console.log(`${name} ${theme}: ${message.text()}`);
    });
    await page.goto(`${base}?theme=${theme}&${query}`);
    await page.waitForSelector('footer');
    try {
      await play(page);
    } catch (error) {
      errors += 1;
      console.log(`${name} ${theme}: ${error.message.split('\n').slice(0, 3).join(' ')}`);
    }
    await page.waitForTimeout(250);
    await page.screenshot({ path: join(out, `${name}-${theme}.png`) });
    await page.evaluate(axe);
    const audit = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    for (const violation of audit.violations) {
      violations += violation.nodes.length;
      console.log(`${name} ${theme}: ${violation.id}: ${violation.help}`);
      for (const node of violation.nodes.slice(0, 4)) {
        console.log(
          `    ${node.target.join(' ')}  ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message ?? ''}`,
        );
      }
    }
    await page.close();
  }
}
await close();
console.log(`accessibility violations: ${violations}, errors: ${errors}`);
process.exit(violations + errors === 0 ? 0 : 1);
