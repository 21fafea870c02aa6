/** What could come next in the filter. */
import type { ProfileId } from '../backend';
import { filterKeys, type FilterKey } from './filter';
import type { NodeRow } from './row';

export interface Completion {
  /** The term with this choice taken. */
  term: string;
  /** Shown beside it: how many nodes, or what the key means. */
  note: string;
  /** A value follows; the term is not finished. */
  open: boolean;
}

type Counts = Map<string, number>;

/** Values in use, counted once per reading of the inventory. */
export class Values {
  readonly #byKey = new Map<string, Counts>();

  constructor(
    private readonly rows: NodeRow[],
    private readonly accountLabel: (id: ProfileId) => string,
  ) {}

  /** Values of a filter key; for `tag` the tag keys, for `tag:Env` the values of Env. */
  of(key: string): Counts {
    let counts = this.#byKey.get(key);
    if (counts === undefined) {
      counts = new Map();
      for (const row of this.rows) {
        for (const value of valuesOf(row, key, this.accountLabel)) {
          if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
        }
      }
      this.#byKey.set(key, counts);
    }
    return counts;
  }
}

function valuesOf(
  row: NodeRow,
  key: string,
  accountLabel: (id: ProfileId) => string,
): (string | null | undefined)[] {
  const { node } = row;
  if (key.startsWith('tag:')) return [node.tags[key.slice(4)]];
  switch (key as FilterKey) {
    case 'tag':
      return Object.keys(node.tags);
    case 'platform':
      return [node.platform];
    case 'ping':
      return [node.ping === 'connectionLost' ? 'lost' : node.ping];
    case 'agent':
      return [node.agentVersion];
    case 'account':
      return [accountLabel(row.profileId)];
    case 'region':
      return [row.region];
    case 'zone':
      return [node.zone];
    case 'vpc':
      return [node.vpcId];
    case 'subnet':
      return [node.subnetId];
    case 'type':
      return [node.instanceType];
    case 'role':
      return [node.role];
    case 'state':
      return [node.instanceState];
    default:
      return [];
  }
}

const most = 8;
const quoted = (value: string) => (/\s/.test(value) ? `"${value}"` : value);

/** Completions of the word being typed. */
export function complete(word: string, values: Values): Completion[] {
  const negated = word.startsWith('!') ? '!' : '';
  const bare = word.slice(negated.length);
  const colon = bare.indexOf(':');
  if (colon < 0) return keysLike(bare, negated);
  const key = bare.slice(0, colon).toLowerCase();
  const typed = bare.slice(colon + 1).replaceAll('"', '');
  if (key !== 'tag')
    return pick(values.of(key), typed, (value) => `${negated}${key}:${quoted(value)}`, false);
  const equals = typed.indexOf('=');
  if (equals < 0) return pick(values.of('tag'), typed, (tag) => `${negated}tag:${quoted(tag)}=`, true);
  const tag = typed.slice(0, equals);
  const named =
    [...values.of('tag').keys()].find((known) => known.toLowerCase() === tag.toLowerCase()) ?? tag;
  return pick(
    values.of(`tag:${named}`),
    typed.slice(equals + 1),
    (value) => `${negated}tag:${quoted(`${named}=${value}`)}`,
    false,
  );
}

function keysLike(typed: string, negated: string): Completion[] {
  return (Object.keys(filterKeys) as FilterKey[])
    .filter((key) => key.startsWith(typed.toLowerCase()))
    .slice(0, most)
    .map((key) => ({ term: `${negated}${key}:`, note: filterKeys[key], open: true }));
}

function pick(counts: Counts, typed: string, term: (value: string) => string, open: boolean): Completion[] {
  const lower = typed.toLowerCase();
  return [...counts]
    .filter(([value]) => value.toLowerCase().includes(lower) && (open || value.toLowerCase() !== lower))
    .sort((a, b) => rank(a[0], lower) - rank(b[0], lower) || b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, most)
    .map(([value, nodes]) => ({ term: term(value), note: String(nodes), open }));
}

function rank(value: string, typed: string): number {
  return value.toLowerCase().startsWith(typed) ? 0 : 1;
}
