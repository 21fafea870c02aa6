// What is measured in the page itself. Each function runs there; times are milliseconds.

/** Notes when a key went down and when what came back for it was painted. */
export function watchEcho() {
  const times = [];
  let pressed = null;
  addEventListener("keydown", (event) => (pressed = event.timeStamp), { capture: true });
  window.look.hears.write = (screen, data, taken) => {
    const from = pressed;
    if (from === null) return;
    pressed = null;
    requestAnimationFrame(() => {
      // After this frame's callbacks it is painted; a message comes in behind that.
      const painted = new MessageChannel();
      painted.port1.onmessage = () => times.push(performance.now() - from);
      painted.port2.postMessage(null);
    });
  };
  window.look.echo = times;
}

/** Notes how long it takes from the next double click to a prompt that is painted. */
export function watchPrompt() {
  window.look.prompt = null;
  const clicked = ({ timeStamp }) => {
    const look = () => {
      if (/[$#] ?\n$/.test(window.look.screen()?.text() ?? "")) {
        requestAnimationFrame(() => (window.look.prompt = performance.now() - timeStamp));
      } else requestAnimationFrame(look);
    };
    look();
  };
  addEventListener("dblclick", clicked, { capture: true, once: true });
}

/** Counts the bytes that reach the terminal in front, and the longest time between two frames. */
export function watchFlood() {
  const flood = { bytes: 0, lines: 0, tail: "", worst: 0, started: null, last: null, on: true, gaps: [] };
  let frame = performance.now();
  const next = (now) => {
    const gap = now - frame;
    frame = now;
    if (flood.started !== null) {
      flood.worst = Math.max(flood.worst, gap);
      if (gap > 100) flood.gaps.push(Math.round(gap));
    }
    if (flood.on) requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
  window.look.hears.write = (screen, data) => {
    flood.started ??= performance.now();
    flood.last = performance.now();
    if (typeof data === "string") return;
    flood.bytes += data.byteLength;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, at + 1)) flood.lines += 1;
    flood.tail = (flood.tail + String.fromCharCode(...data.subarray(-1000))).slice(-1000);
  };
  window.look.flood = flood;
}

/** What one keystroke in the filter costs: from the key until its rows are laid out. */
export async function filterCosts() {
  const input = document.querySelector("[data-filter=nodes]");
  input.focus();
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const times = [];
  const words = ["storefront", "prod-or", "10.0.1", "checkout platform:linux x"];
  for (const word of words) {
    for (let at = 1; at <= word.length; at += 1) {
      await frame();
      const start = performance.now();
      input.value = word.slice(0, at);
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await Promise.resolve();
      await new Promise((resolve) => queueMicrotask(resolve));
      void document.body.offsetHeight;
      times.push(performance.now() - start);
    }
    input.value = "";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  return times;
}
