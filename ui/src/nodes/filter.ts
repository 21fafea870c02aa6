/**
 * The filter language: plain words, and `key:value` terms. `!` before either negates it,
 * quotes hold blanks, a comma offers several values, `*` stands for anything.
 */
import type { NodePlatform, PingState, ProfileId } from '../backend';
import { compareVersions, versionOf, type NodeRow } from './row';

export interface Term {
  /** As typed. */
  text: string;
  negated: boolean;
  /** None: a plain word. */
  key: FilterKey | null;
  value: string;
}

type Test = (row: NodeRow) => boolean;

/** Words an account is known by, lower case. */
export type AccountWords = (id: ProfileId) => string;

export const filterKeys = {
  tag: 'tag:Env=prod, or tag:Env for any value',
  platform: 'linux, windows, macos or a distribution',
  ping: 'online, lost, inactive, unmanaged, offline',
  agent: 'agent:3.3, agent:<3.1, agent:>=3.2',
  account: 'an account’s label',
  region: 'such as eu-west-1',
  zone: 'an availability zone',
  vpc: 'a VPC id',
  subnet: 'a subnet id',
  ip: 'a private or public address',
  type: 'an instance type',
  role: 'an instance role',
  state: 'running, stopped',
  name: 'part of the name',
  id: 'part of the id',
} as const;

export type FilterKey = keyof typeof filterKeys;

const isKey = (key: string): key is FilterKey => Object.hasOwn(filterKeys, key);

/** Cuts a filter into its terms. A key not known makes it a plain word. */
export function parse(text: string): Term[] {
  const pieces = text.match(/(?:[^\s"]+|"[^"]*"?)+/g) ?? [];
  return pieces.map((piece) => {
    const negated = piece.startsWith('!') && piece.length > 1;
    const bare = (negated ? piece.slice(1) : piece).replaceAll('"', '');
    const colon = bare.indexOf(':');
    const key = colon > 0 ? bare.slice(0, colon).toLowerCase() : '';
    if (isKey(key)) return { text: piece, negated, key, value: bare.slice(colon + 1) };
    return { text: piece, negated, key: null, value: bare };
  });
}

/**
 * Whether a filter looks for instances that Systems Manager does not know, which are left out
 * otherwise: by a word, a name, an id, an address, or by what it says of being in touch.
 */
export function looksForUnmanaged(text: string): boolean {
  return parse(text).some(
    ({ key, value, negated }) =>
      value !== '' && (key === 'ping' || (!negated && (key === null || naming.includes(key)))),
  );
}

const naming: FilterKey[] = ['name', 'id', 'ip'];

export interface Query {
  /** What the text of every row that fits holds, lower case; none: that has to be seen row by row. */
  word: string | null;
  /** What a row has to be besides. */
  test: Test;
}

/** A whole filter, ready to be asked. An empty one lets all through. */
export function compile(text: string, accountWords: AccountWords): Query {
  const terms = parse(text).filter((term) => term.value !== '');
  // The longest word leaves the fewest rows to the rest.
  const [word = null] = terms
    .filter((term) => term.key === null && !term.negated && !term.value.includes('*'))
    .sort((a, b) => b.value.length - a.value.length);
  const tests = terms
    .filter((term) => term !== word)
    // Words are the cheapest to look for.
    .sort((a, b) => Number(a.key !== null) - Number(b.key !== null))
    .map((term) => {
      const test = testOf(term, accountWords);
      return term.negated ? (row: NodeRow) => !test(row) : test;
    });
  return { word: word?.value.toLowerCase() ?? null, test: (row) => tests.every((test) => test(row)) };
}

function testOf(term: Term, accountWords: AccountWords): Test {
  const value = term.value.toLowerCase();
  if (term.key === null) {
    const fits = pattern(value);
    return (row) => fits(row.hay);
  }
  const options = value
    .split(',')
    .filter(Boolean)
    .map((option) => oneOf(term.key as FilterKey, option, accountWords));
  return (row) => options.some((option) => option(row));
}

function oneOf(key: FilterKey, value: string, accountWords: AccountWords): Test {
  const fits = pattern(value);
  const field = (get: (row: NodeRow) => string | null): Test =>
    once(get, (row) => {
      const found = get(row);
      return found !== null && fits(found.toLowerCase());
    });
  switch (key) {
    case 'tag':
      return tagTest(value);
    case 'agent':
      return once((row) => row.node.agentVersion, agentTest(value));
    case 'platform':
      return (row) => platformFits(row.node.platform, value) || fits(row.node.platformName.toLowerCase());
    case 'ping':
      return (row) => pingFits(row.node.ping, value);
    case 'account':
      return once(
        (row) => row.profileId,
        (row) => fits(accountWords(row.profileId)),
      );
    case 'region':
      return field((row) => row.region);
    case 'zone':
      return field((row) => row.node.zone);
    case 'vpc':
      return field((row) => row.node.vpcId);
    case 'subnet':
      return field((row) => row.node.subnetId);
    case 'ip':
      return (row) => fits(row.node.privateIp ?? '') || fits(row.node.publicIp ?? '');
    case 'type':
      return field((row) => row.node.instanceType);
    case 'role':
      return field((row) => row.node.role);
    case 'state':
      return field((row) => row.node.instanceState);
    case 'name':
      return (row) => fits(row.node.name.toLowerCase());
    case 'id':
      return (row) => fits(row.node.id);
  }
}

/** Regions have few zones, types and versions: the rows that share a value are tested once. */
function once(shared: (row: NodeRow) => string | null, test: Test): Test {
  const known = new Map<string | null, boolean>();
  return (row) => {
    const value = shared(row);
    let answer = known.get(value);
    if (answer === undefined) {
      answer = test(row);
      known.set(value, answer);
    }
    return answer;
  };
}

function tagTest(value: string): Test {
  const equals = value.indexOf('=');
  if (equals < 0) {
    const fits = pattern(value, true);
    return (row) => row.tags.some(([key]) => fits(key));
  }
  const key = value.slice(0, equals);
  const wanted = value.slice(equals + 1);
  const fits = wanted === '' ? () => true : pattern(wanted, true);
  return (row) => row.tags.some(([name, held]) => name === key && fits(held));
}

function agentTest(value: string): Test {
  const [, operator = '', version = ''] = /^([<>]=?|=)?(.*)$/.exec(value) ?? [];
  const wanted = versionOf(version);
  const compared = (row: NodeRow) => compareVersions(row.agent, wanted);
  const known = (row: NodeRow) => row.agent.length > 0 && wanted.length > 0;
  switch (operator) {
    case '<':
      return (row) => known(row) && compared(row) < 0;
    case '<=':
      return (row) => known(row) && compared(row) <= 0;
    case '>':
      return (row) => known(row) && compared(row) > 0;
    case '>=':
      return (row) => known(row) && compared(row) >= 0;
    default:
      // `3.1` means every 3.1.x, and not 3.10.
      return (row) => known(row) && wanted.every((part, i) => row.agent[i] === part);
  }
}

function pingFits(ping: PingState, value: string): boolean {
  if (value === 'offline') return ping !== 'online';
  if (value === 'lost') return ping === 'connectionLost';
  return ping.toLowerCase().startsWith(value);
}

function platformFits(platform: NodePlatform, value: string): boolean {
  return platform.startsWith(value);
}

/** Part of the text, or all of it where `*` is used or `whole` is asked. */
function pattern(value: string, whole = false): (text: string) => boolean {
  if (value.includes('*')) {
    const source = value
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*');
    const expression = new RegExp(whole ? `^${source}$` : source);
    return (text) => expression.test(text);
  }
  return whole ? (text) => text === value : (text) => text.includes(value);
}
