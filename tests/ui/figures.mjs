// The figures of the window, one `NAME VALUE UNIT` a line. What is done meanwhile goes to standard error.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { audit } from "./audit.mjs";
import { Desktop } from "./desktop/desktop.mjs";
import { until } from "./desktop/within.mjs";
import * as measures from "./measures.mjs";
import { Scene, tell as tellStory } from "./story.mjs";
import { setTheme, walk } from "./views.mjs";
import { freePort } from "./window.mjs";

const binary = process.env.ADIT_WINDOW_BINARY;
const figures = process.env.ADIT_FIGURES_BINARY;

const tell = (words) => process.stderr.write(`figures: ${words}\n`);
const print = (name, value, unit) =>
  process.stdout.write(`${name} ${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}\n`);
const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];
const percentile = (values, percent) => sorted(values)[Math.min(values.length - 1, Math.floor((values.length * percent) / 100))];

/** Plays something with a window of its own. */
async function withScene(play, options) {
  const scene = new Scene();
  try {
    return await play(await scene.open(options), scene);
  } catch (error) {
    tell(scene.desktop?.said() ?? "");
    throw error;
  } finally {
    await scene.close();
  }
}

/** From the start of the process to rows on the screen, as a camera would see it. */
async function startToRows() {
  const times = [];
  for (let at = 0; at < 5; at += 1) {
    const desktop = await Desktop.start();
    try {
      const dot = { left: 232, right: 252, least: 8 };
      const rows = desktop.services.rows("1a7a42", dot);
      const start = Date.now();
      const app = desktop.run("app", binary, []);
      times.push((await Promise.race([rows, app.ended.then((how) => Promise.reject(new Error(how)))])) - start);
    } finally {
      await desktop.close();
    }
  }
  tell(`starts: ${times.map(Math.round).join(" ")} ms`);
  return median(times);
}

/** The shares of the far end and of the engine. */
function beside() {
  const { stdout } = spawnSync(figures, ["beside"], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const value = (name) => Number(stdout.match(new RegExp(`^${name} (\\S+)`, "m"))[1]);
  return { prompt: value("bare_prompt_ms"), echo: value("engine_echo_ms") };
}

/** From the double click to a prompt on the screen. */
const clickToPrompt = () =>
  withScene(async ({ window, nodes, terminal }) => {
    await nodes.counted("nodes", ({ total }) => total >= 50);
    const times = [];
    for (let at = 0; at < 7; at += 1) {
      await nodes.show();
      await nodes.filter("prod-storefront-01");
      const cell = await nodes.cell("prod-storefront-01");
      await window.run(measures.watchPrompt);
      await window.doubleClick(cell);
      times.push(await window.until("a prompt", () => window.look.prompt));
      await terminal.prompt();
      await window.press("Ctrl+Shift+w");
    }
    tell(`click to prompt: ${times.map(Math.round).join(" ")} ms`);
    return median(times);
  });

/** From a key to its echo on the screen. */
const keyToScreen = () =>
  withScene(async ({ window, nodes, terminal }) => {
    await nodes.connect("prod-storefront-01");
    await terminal.prompt();
    await terminal.type("stty raw -echo; echo re''ady; exec cat\n");
    await terminal.reads(/ready/);
    await window.run(measures.watchEcho);
    for (let at = 0; at < 120; at += 1) {
      await window.type("abcdefghij"[at % 10]);
      await window.until("the echo", (count) => window.look.echo.length >= count, { given: [at + 1] });
    }
    const times = await window.run(() => window.look.echo);
    tell(`key to screen: median ${median(times).toFixed(1)} ms, 95 % ${percentile(times, 95).toFixed(1)} ms`);
    return median(times);
  });

/** 50 MB of coloured lines through one terminal, in front. */
const flood = () =>
  withScene(async ({ window, nodes, terminal }) => {
    const lines = 500_000;
    await nodes.connect("prod-storefront-01");
    await terminal.prompt();
    // One hundred bytes a line, and nothing that the far end's terminal would change.
    const line = "\\033[32m%08d\\033[0m the quick brown fox jumps over the lazy dog, and so on to an end. \\033[1;34mblue\\033[0m\\n";
    const bytes = 100;
    const script = `stty -opost -echo; printf 'begin\\r\\n'; read; awk 'BEGIN { for (i = 1; i <= ${lines}; i++) printf "${line}", i }'`;
    const before = processes(window.desktop);
    await terminal.type(`${script}; stty opost; printf '\\nend-%d\\n' $((6*7))\n`);
    await terminal.reads(/^begin$/m);
    await window.run(measures.watchFlood);
    await terminal.type("\n");
    const over = () => /end-42/.test(window.look.flood.tail);
    await until("the end", () => window.run(over), { ms: 180_000, everyMs: 500 });
    const told = await window.run(() => ({ ...window.look.flood, on: (window.look.flood.on = false) }));
    const numbers = [...(await terminal.text()).matchAll(/(\d{8}) the quick/g)].map(([, number]) => Number(number));
    const whole = numbers.every((number, at) => at === 0 || number === numbers[at - 1] + 1);
    tell(`flood: ${JSON.stringify(told)}, ${numbers.length} lines kept, in order: ${whole}, to ${numbers.at(-1)}`);
    tell(`memory: ${megabytes(before)} MB before, ${megabytes(processes(window.desktop))} MB after`);
    if (!whole) throw new Error("the lines kept are not in order");
    const behind = told.tail.length - told.tail.search(/\r?\nend-42/);
    return { ...told, lost: bytes * lines - (told.bytes - behind) };
  });

/** What a keystroke in the filter costs with 10,000 nodes. */
const filter = () =>
  withScene(
    async ({ window, nodes }) => {
      await nodes.counted("10,000 nodes", ({ total }) => total >= 10_000, 120_000);
      await window.until("a quiet list", () => !/Reading/.test(document.querySelector("footer").innerText), { ms: 60_000 });
      const times = await window.runAsync(measures.filterCosts);
      tell(`filter: median ${median(times).toFixed(1)} ms, worst ${Math.max(...times).toFixed(1)} ms`);
      return percentile(times, 95);
    },
    { args: ["--sandbox-nodes", "10000"] },
  );

/** Processor time and memory with three terminals and five tunnels, and nothing to do. */
const idle = () =>
  withScene(async ({ window, nodes, terminal, tunnels }) => {
    await nodes.counted("nodes", ({ total }) => total >= 50);
    for (let at = 1; at <= 5; at += 1) {
      await tunnels.add({ node: "prod-storefront-01", port: 8080, local: await freePort(), name: `web ${at}` });
      await tunnels.listens(`web ${at}`);
    }
    for (const node of ["prod-storefront-01", "prod-orders-01", "prod-bastion-01"]) {
      await nodes.connect(node);
      await terminal.prompt();
    }
    // What starting has left behind is over after a while; nothing tells when.
    await quiet(20);
    const before = processes(window.desktop);
    const start = performance.now();
    await quiet(30);
    const after = processes(window.desktop);
    const seconds = (performance.now() - start) / 1000;
    const ticks = (list) => list.reduce((sum, each) => sum + each.ticks, 0);
    for (const { pid, command, ticks: used } of after) {
      const earlier = before.find((each) => each.pid === pid)?.ticks ?? 0;
      tell(`idle: ${command} ${used - earlier} ticks, ${megabytes([{ pid }])} MB`);
    }
    return { cpu: (ticks(after) - ticks(before)) / seconds, memory: Number(megabytes(after)) };
  });

const quiet = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** The app's own processes: not the shells it has opened, nor the desktop around it. */
const processes = (desktop) =>
  desktop.processes().filter(({ command }) => /^(adit|WebKit(Web|Network|GPU)Pro)/.test(command));

/** What processes hold in memory, what they share counted once. */
function megabytes(list) {
  const kilobytes = list.map(({ pid }) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(text.match(/^Pss:\s+(\d+)/m)[1]);
  });
  return (kilobytes.reduce((sum, each) => sum + each, 0) / 1024).toFixed(0);
}

async function violations() {
  let count = 0;
  for (const theme of ["light", "dark"]) {
    await withScene(async (stage) => {
      await setTheme(stage, theme);
      await walk(stage, async (name) => {
        const found = await audit(stage.window);
        for (const line of found) tell(`${theme} ${name}: ${line}`);
        count += found.length;
      });
    });
  }
  return count;
}

async function stories() {
  const counts = { passed: 0, failed: 0 };
  const folder = new URL("stories/", import.meta.url);
  for (const file of readdirSync(folder).sort()) {
    const { default: all } = await import(new URL(file, folder).href);
    for (const story of all) {
      if (story.isAudit) continue;
      counts[(await tellStory(story, { out: process.stderr })) ? "passed" : "failed"] += 1;
    }
  }
  return counts;
}

const parts = {
  async start() {
    tell("five starts on a fresh home");
    print("start_to_first_rows_ms", await startToRows(), "ms");
  },
  async prompt() {
    tell("clicks and keys");
    const share = beside();
    print("click_to_prompt_overhead_ms", (await clickToPrompt()) - share.prompt, "ms");
    print("echo_key_to_screen_overhead_ms", (await keyToScreen()) - share.echo, "ms");
  },
  async flood() {
    tell("50 MB through a terminal");
    const told = await flood();
    print("terminal_50mb_lost_bytes", Math.abs(told.lost), "bytes");
    print("terminal_50mb_mb_s", 50 / ((told.last - told.started) / 1000), "MB/s");
    print("terminal_50mb_max_frame_gap_ms", told.worst, "ms");
  },
  async filter() {
    tell("a filter over 10,000 nodes");
    print("filter_10k_nodes_ms", await filter(), "ms");
  },
  async idle() {
    tell("three terminals, five tunnels, and nothing to do");
    const { cpu, memory } = await idle();
    print("idle_cpu_percent", cpu, "%");
    print("memory_idle_mb", memory, "MB");
  },
  async audit() {
    tell("every view in both themes");
    print("accessibility_violations", await violations(), "violations");
  },
  async stories() {
    tell("the stories");
    const { passed, failed } = await stories();
    print("window_stories_passed", passed, "stories");
    print("window_stories_failed", failed, "stories");
  },
};

const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await part();
}
process.exit(0);
