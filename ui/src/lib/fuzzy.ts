/** Fuzzy matching for the palette: letters in order, better at starts of words and in runs. */

export interface Hit {
  score: number;
  /** Positions of the matched letters. */
  at: number[];
}

const boundary = /[\s\-_./:·@]/;

/** Scores one text against one word; null when a letter is missing. Both in lower case. */
function word(query: string, text: string): Hit | null {
  const whole = text.indexOf(query);
  if (whole >= 0) {
    const starts = whole === 0 || boundary.test(text[whole - 1] ?? '');
    const at = Array.from({ length: query.length }, (_, i) => whole + i);
    const score = 60 + query.length * 4 + (starts ? 30 : 0) + (whole === 0 ? 15 : 0) - text.length * 0.1;
    return { score, at };
  }
  const at: number[] = [];
  let score = 0;
  let from = 0;
  for (const letter of query) {
    const found = best(letter, text, from);
    if (found < 0) return null;
    const previous = at.at(-1);
    if (previous === found - 1) score += 6;
    else if (found === 0 || boundary.test(text[found - 1] ?? '')) score += 8;
    else score += 1 - Math.min(3, (found - from) * 0.2);
    at.push(found);
    from = found + 1;
  }
  return { score: score - text.length * 0.1, at };
}

/** The next place of a letter, a start of a word before others unless that would lose the run. */
function best(letter: string, text: string, from: number): number {
  const next = text.indexOf(letter, from);
  if (next < 0 || next === from) return next;
  for (let i = next; i >= 0 && i < text.length; i = text.indexOf(letter, i + 1)) {
    if (i === 0 || boundary.test(text[i - 1] ?? '')) return i;
  }
  return next;
}

/** Every word of the query must be found. An empty query finds all with score 0. */
export function fuzzy(query: string, text: string): Hit | null {
  const lower = text.toLowerCase();
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  let score = 0;
  const at: number[] = [];
  for (const part of words) {
    const hit = word(part, lower);
    if (hit === null) return null;
    score += hit.score;
    at.push(...hit.at);
  }
  return { score, at: [...new Set(at)].sort((a, b) => a - b) };
}

/** Cuts a text into matched and unmatched runs. */
export function runs(text: string, at: number[]): { text: string; hit: boolean; from: number }[] {
  const marked = new Set(at);
  const parts: { text: string; hit: boolean; from: number }[] = [];
  for (let i = 0; i < text.length; i += 1) {
    const hit = marked.has(i);
    const last = parts.at(-1);
    if (last !== undefined && last.hit === hit) last.text += text[i] ?? '';
    else parts.push({ text: text[i] ?? '', hit, from: i });
  }
  return parts;
}
