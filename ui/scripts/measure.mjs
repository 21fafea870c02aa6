// Figures of the window in a browser on the pretend backend: `npm run measure`.
import { open } from './serve.mjs';

const { base, browser, close } = await open();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
page.on('pageerror', (error) => console.log(`error: ${error.message}`));
const figures = {};

await page.goto(`${base}?own&all&nodes=10000`);
await page.waitForSelector('[role=row][id^=node]');
figures.page_to_first_rows_ms = await page.evaluate(() => Math.round(performance.now()));

// A key's cost: from the input event until the rows are in the page and laid out.
figures.filter_10k_nodes_ms = await page.evaluate(async () => {
  const input = document.querySelector('[data-filter=nodes]');
  input.focus();
  const times = [];
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  for (const text of [
    'w',
    'we',
    'web',
    'web-',
    'web-1',
    'web-1 p',
    'web-1 pr',
    '',
    '1',
    '10.',
    '10.0',
    'agent:<3.3',
    'agent:<3.3 x',
    'zone:eu',
    'zone:eu-w',
  ]) {
    await frame();
    const started = performance.now();
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
    await Promise.resolve();
    await new Promise((resolve) => queueMicrotask(resolve));
    void document.body.offsetHeight;
    times.push(performance.now() - started);
  }
  input.value = '';
  input.dispatchEvent(new Event('input', { bubbles: true }));
  times.sort((a, b) => a - b);
  return { median: +times[7].toFixed(1), worst: +times.at(-1).toFixed(1) };
});

const gaps = `(work) => new Promise(async (resolve) => {
  let last = performance.now(), worst = 0, on = true;
  const watch = (now) => { worst = Math.max(worst, now - last); last = now; if (on) requestAnimationFrame(watch); };
  requestAnimationFrame(watch);
  const answer = await work();
  on = false;
  resolve({ worst: Math.round(worst), answer });
})`;

figures.scroll_10k_worst_frame_gap_ms = await page
  .evaluate(
    `(${gaps})(async () => {
    const table = document.querySelector('[role=grid]');
    for (let i = 0; i < 120; i++) { table.scrollTop += 700; await new Promise(requestAnimationFrame); }
  })`,
  )
  .then(({ worst }) => worst);

await page.locator('[role=row][id^=node]').first().dblclick();
await page.waitForSelector('.terminal-host .xterm');
await page.waitForTimeout(800);
const flood = await page.evaluate(
  `(${gaps})(async () => {
    const total = 50 * 1000 * 1000;
    const line = '\\x1b[32mnode\\x1b[0m 0123456789 the quick brown fox jumps over the lazy dog \\x1b[1;34mblue\\x1b[0m\\r\\n';
    const session = [...window.pretend.terminals.sessions.values()][0];
    const bytes = new TextEncoder().encode(line.repeat(Math.ceil(65536 / line.length))).slice(0, 65536);
    const started = performance.now();
    let sent = 0;
    const before = session.acknowledged;
    while (sent < total) {
      if (session.sent - session.acknowledged < 1024 * 1024) {
        session.sent += bytes.byteLength; sent += bytes.byteLength;
        session.output(bytes.slice().buffer);
      } else await new Promise((resolve) => setTimeout(resolve));
    }
    while (session.sent - session.acknowledged >= 256 * 1024) await new Promise((resolve) => setTimeout(resolve, 5));
    return { ms: performance.now() - started, sent, unacknowledged: session.sent - session.acknowledged };
  })`,
);
figures.terminal_50mb_mb_s = +(flood.answer.sent / 1e6 / (flood.answer.ms / 1000)).toFixed(1);
figures.terminal_50mb_max_frame_gap_ms = flood.worst;
figures.terminal_50mb_unacknowledged_bytes = flood.answer.unacknowledged;

console.log(JSON.stringify(figures, null, 2));
await close();
