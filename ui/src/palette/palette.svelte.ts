/** "Go to anything": one list of nodes, tabs, tunnels and actions, best first. */
import type { Chord } from '../lib/keys';
import { fuzzy } from '../lib/fuzzy';
import type { Tone } from '../lib/tone';

export interface Entry {
  /** Kept in the list of recent ones. */
  id: string;
  kind: 'node' | 'tab' | 'tunnel' | 'action' | 'place';
  title: string;
  /** Said after the title: account, region, address. */
  note: string;
  /** Also looked in, not shown. */
  more: string;
  tone: Tone | null;
  keys: Chord[];
  run: () => void;
}

export interface Found {
  entry: Entry;
  /** Matched letters of the title. */
  at: number[];
}

const shownMost = 60;
/** With nothing typed: what was used last, then these. */
const kindWeight: Record<Entry['kind'], number> = { tab: 6, action: 5, node: 4, tunnel: 3, place: 2 };

const byName = new Intl.Collator(undefined, { numeric: true });

function holds(hay: string, query: string): boolean {
  const lower = hay.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word));
}

/** The best entries for a query; recent ones first among equals, and alone when nothing is typed. */
export function search(entries: Entry[], query: string, recent: string[]): Found[] {
  const rank = new Map(recent.map((id, i) => [id, i]));
  const freshness = (id: string) => {
    const at = rank.get(id);
    return at === undefined ? 0 : 18 - Math.min(at, 15);
  };
  const text = query.trim();
  if (text === '') {
    return entries
      .filter((entry) => entry.kind !== 'node' || rank.has(entry.id))
      .map((entry) => ({ entry, at: [], score: freshness(entry.id) * 10 + kindWeight[entry.kind] }))
      .sort((a, b) => b.score - a.score)
      .slice(0, shownMost);
  }
  const hits: (Found & { score: number })[] = [];
  for (const entry of entries) {
    const title = fuzzy(text, entry.title);
    // Scattered letters say something in a title; elsewhere whole words are wanted.
    const score = title?.score ?? (holds(`${entry.title} ${entry.note} ${entry.more}`, text) ? 10 : null);
    if (score === null) continue;
    hits.push({ entry, at: title?.at ?? [], score: score + freshness(entry.id) + kindWeight[entry.kind] });
  }
  return hits
    .sort((a, b) => b.score - a.score || byName.compare(a.entry.title, b.entry.title))
    .slice(0, shownMost);
}

class Palette {
  open = $state(false);
  /** What the list is narrowed to, such as nodes for a new tab. */
  only = $state<Entry['kind'] | null>(null);

  show(only: Entry['kind'] | null = null): void {
    this.only = only;
    this.open = true;
  }

  close(): void {
    this.open = false;
  }
}

export const palette = new Palette();
