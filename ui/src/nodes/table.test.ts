import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { fakeBackend, node } from '../../tests/fake';
import { nodes } from './nodes.svelte';
import NodeTable from './NodeTable.svelte';

const rowHeight = 32;
let table: ReturnType<typeof mount>;

beforeEach(async () => {
  await fakeBackend();
  const many = Array.from({ length: 10_000 }, (_, i) => {
    const name = `${i % 2 === 0 ? 'web' : 'api'}-${i}`;
    return node({ id: `i-${i}`, name, ping: i % 7 === 0 ? 'connectionLost' : 'online' });
  });
  nodes.take({
    profileId: 'acme',
    region: 'eu-west-1',
    state: { state: 'ready' },
    readMs: 1,
    whole: true,
    nodes: many,
    gone: [],
  });
  const props = { rowHeight, isFavourite: () => false, profileName: (id: string) => id };
  table = mount(NodeTable, { target: document.body, props });
  flushSync();
});
afterEach(() => unmount(table));

const grid = () => document.querySelector<HTMLElement>('[role=grid]')!;
const drawn = () => [...document.querySelectorAll<HTMLElement>('.rows > [role=row]')];
const seen = () =>
  drawn()
    .filter((row) => row.style.visibility !== 'hidden')
    .map((row) => row.querySelectorAll('[role=gridcell]')[1]?.textContent);

function scroll(to: number): void {
  grid().scrollTop = to;
  grid().dispatchEvent(new Event('scroll'));
  flushSync();
}

function type(text: string): void {
  nodes.typed = text;
  flushSync();
}

it('draws the rows in sight, not the ten thousand', () => {
  expect(drawn().length).toBeLessThan(40);
  expect(seen()).toContain('api-1');
});

it('draws into the rows that are there, whatever is typed or scrolled to', () => {
  scroll(100 * rowHeight);
  const rows = drawn();
  scroll(5000 * rowHeight);
  const [, name] = drawn()[0]!.querySelectorAll('[role=gridcell]');
  const before = name?.textContent;
  type('web-12');
  expect(drawn()).toEqual(rows);
  type('nothing is called this');
  expect(seen()).toEqual([]);
  expect(drawn()).toEqual(rows);
  type('');
  expect(drawn()).toEqual(rows);
  expect(drawn()[0]!.querySelectorAll('[role=gridcell]')[1]).toBe(name);
  expect(name?.textContent).toBe(before);
});

it('keeps a row where it is while it is in sight', () => {
  scroll(100 * rowHeight);
  const at = (index: number) => drawn().find((row) => row.ariaRowIndex === String(index + 2));
  const kept = at(100);
  scroll(101 * rowHeight);
  expect(at(100)).toBe(kept);
  expect(new Set(drawn().map((row) => row.ariaRowIndex)).size).toBe(drawn().length);
});
