// Deadlines, and waiting for what tells of itself only when asked.

/** What `promise` answers, or a failure that names `what` after `ms`. */
export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms / 1000} s for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks until the answer is neither null, undefined nor false. */
export async function until(what, ask, { ms = 20_000, everyMs = 50 } = {}) {
  const end = performance.now() + ms;
  let last = "";
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = `, last: ${error.message}`;
    }
    if (performance.now() > end) throw new Error(`waited ${ms / 1000} s for ${what}${last}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
