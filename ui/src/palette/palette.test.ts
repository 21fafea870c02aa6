import { describe, expect, it } from 'vitest';

import { fuzzy, runs } from '../lib/fuzzy';
import { search, type Entry } from './palette.svelte';

const entry = (id: string, title: string, kind: Entry['kind'] = 'node', more = ''): Entry => ({
  id,
  title,
  kind,
  more,
  note: 'acme-prod · eu-west-1',
  tone: null,
  keys: [],
  run: () => undefined,
});
const entries = [
  entry('n1', 'web-1', 'node', 'i-0f1dab 10.0.4.12'),
  entry('n10', 'web-10'),
  entry('n2', 'web-2'),
  entry('nb', 'web-blue-1'),
  entry('a1', 'Split right', 'action'),
  entry('a2', 'Settings', 'action'),
  entry('t1', 'web-1', 'tab'),
];
const ids = (query: string, recent: string[] = []) =>
  search(entries, query, recent).map(({ entry: { id } }) => id);

describe('palette', () => {
  it('puts whole words before scattered letters, short names before long', () => {
    expect(ids('web-1').slice(0, 3)).toEqual(['t1', 'n1', 'n10']);
    expect(ids('w1')[0]).toBe('t1');
  });

  it('finds by initials of words', () => {
    expect(ids('sr')[0]).toBe('a1');
    expect(ids('wb1')).toContain('nb');
  });

  it('finds by address, region and id, as whole words', () => {
    expect(ids('10.0.4.12')).toEqual(['n1']);
    expect(ids('zzz')).toEqual([]);
  });

  it('prefers what was used lately', () => {
    expect(ids('web', ['nb'])[0]).toBe('nb');
  });

  it('shows no nodes but recent ones when nothing is typed', () => {
    expect(ids('', ['n2'])[0]).toBe('n2');
    expect(ids('')).not.toContain('n1');
  });
});

describe('fuzzy', () => {
  it('marks the letters it found', () => {
    const hit = fuzzy('wb', 'web-blue');
    expect(
      runs('web-blue', hit?.at ?? [])
        .filter((part) => part.hit)
        .map((part) => part.text),
    ).toEqual(['w', 'b']);
  });

  it('wants every letter in order', () => {
    expect(fuzzy('bew', 'web')).toBeNull();
    expect(fuzzy('', 'web')?.score).toBe(0);
  });
});
