import { beforeEach, describe, expect, it, vi } from 'vitest';

import { eventually, fakeBackend, node, type Fake } from '../../tests/fake';
import type { InventoryView } from '../backend';
import { Nodes } from './nodes.svelte';

const batch = (change: Partial<InventoryView> = {}): InventoryView => ({
  profileId: 'acme',
  region: 'eu-west-1',
  state: { state: 'ready' },
  readMs: 1,
  whole: true,
  nodes: ['web-10', 'web-2', 'api-1'].map((name) => node({ id: `i-${name}`, name })),
  gone: [],
  ...change,
});
const names = (nodes: Nodes) => nodes.rows.map((row) => row.node.name);

let fake: Fake;
let nodes: Nodes;

beforeEach(async () => {
  fake = await fakeBackend({ scopeOpen: () => Promise.resolve([]) });
  nodes = new Nodes();
});

describe('nodes', () => {
  it('sorts numbers inside names as numbers, both ways', () => {
    nodes.take(batch());
    expect(names(nodes)).toEqual(['api-1', 'web-2', 'web-10']);
    nodes.toggleSort('name');
    expect(names(nodes)).toEqual(['web-10', 'web-2', 'api-1']);
  });

  it('keeps rows without a value last in both directions', () => {
    nodes.take(
      batch({ nodes: [node({ id: 'a', name: 'a', role: null }), node({ id: 'b', name: 'b', role: 'x' })] }),
    );
    nodes.toggleSort('role');
    expect(names(nodes)).toEqual(['b', 'a']);
    nodes.toggleSort('role');
    expect(names(nodes)).toEqual(['b', 'a']);
  });

  it('adds, changes and removes by batches', () => {
    nodes.take(batch());
    nodes.take(batch({ whole: false, nodes: [node({ id: 'i-web-2', name: 'web-2b' })], gone: ['i-api-1'] }));
    expect(names(nodes)).toEqual(['web-2b', 'web-10']);
  });

  it('builds the table once for many batches of a reading', () => {
    vi.useFakeTimers();
    nodes.take(batch({ state: { state: 'reading' }, nodes: [node({ id: '1', name: 'one' })] }));
    nodes.take(batch({ state: { state: 'reading' }, whole: false, nodes: [node({ id: '2', name: 'two' })] }));
    expect(names(nodes)).toEqual([]);
    vi.advanceTimersByTime(200);
    expect(names(nodes)).toEqual(['one', 'two']);
    expect(nodes.reading).toBe(true);
    vi.useRealTimers();
  });

  it('keeps what was read while the answer with what was known before is under way', async () => {
    let answer: (known: InventoryView[]) => void = () => undefined;
    fake = await fakeBackend({ scopeOpen: () => new Promise((resolve) => (answer = resolve)) });
    nodes.open();
    nodes.take(batch());
    answer([batch({ state: { state: 'reading' }, nodes: [] })]);
    await new Promise(setImmediate);
    await eventually(() => expect(names(nodes)).toEqual(['api-1', 'web-2', 'web-10']));
    expect(nodes.reading).toBe(false);
  });

  it('shows the scope only, and keeps the rest for later', () => {
    nodes.take(batch());
    nodes.take(batch({ region: 'us-east-1', nodes: [node({ id: 'i-us', name: 'us-1' })] }));
    nodes.look({ profileId: 'acme', region: 'us-east-1' });
    expect(names(nodes)).toEqual(['us-1']);
    expect(fake.of('scopeOpen')).toEqual([[{ profileId: 'acme', region: 'us-east-1' }]]);
    nodes.look({ profileId: null, region: null });
    expect(nodes.total).toBe(4);
  });

  it('splits a filter into chips and words', () => {
    nodes.setFilter('tag:Env=prod web !ping:lost x');
    expect(nodes.chips).toEqual(['tag:Env=prod', '!ping:lost']);
    expect(nodes.typed).toBe('web x');
    expect(nodes.filter).toBe('tag:Env=prod !ping:lost web x');
  });

  it('acts on the picked rows that are in sight, else on the one in front', () => {
    nodes.take(batch());
    expect(nodes.chosen().map(({ nodeName }) => nodeName)).toEqual(['api-1']);
    nodes.pick(nodes.rows.map(({ key }) => key));
    nodes.setFilter('name:web');
    expect(nodes.chosen().map(({ nodeName }) => nodeName)).toEqual(['web-2', 'web-10']);
  });

  it('looks for a word in one text, not row by row', () => {
    nodes.take(batch());
    nodes.typed = 'web';
    expect(names(nodes)).toEqual(['web-2', 'web-10']);
    for (const row of nodes.rows) {
      Object.defineProperty(row, 'hay', {
        get: () => {
          throw new Error('a row was looked at');
        },
      });
    }
    nodes.typed = 'web-1';
    expect(names(nodes)).toEqual(['web-10']);
  });

  it('names the regions that could not be read', () => {
    const error = { code: 'unreachable' as const, message: 'No route.', detail: null };
    nodes.take(batch({ state: { state: 'failed', error }, whole: false, nodes: [] }));
    expect(nodes.failures).toEqual([{ profileId: 'acme', region: 'eu-west-1', error }]);
  });

  it('leaves out what is not managed until somebody looks for it', () => {
    const stray = node({ id: 'i-9', name: 'web-9', ping: 'unmanaged' });
    nodes.take(batch({ nodes: [node({ id: 'i-1', name: 'web-1' }), stray] }));
    expect([names(nodes), nodes.total, nodes.leftOut]).toEqual([['web-1'], 1, 1]);
    expect(nodes.everyRow().map((row) => row.node.name)).toEqual(['web-1']);
    nodes.setFilter('web');
    expect([names(nodes), nodes.total, nodes.leftOut]).toEqual([['web-1', 'web-9'], 2, 0]);
    nodes.setFilter('tag:Env');
    expect(names(nodes)).not.toContain('web-9');
    nodes.show({ profileId: 'acme', region: 'eu-west-1', nodeId: 'i-9', nodeName: 'web-9' });
    expect(names(nodes)).toEqual(['web-9']);
  });

  it('clears a filter that would hide the node asked for', () => {
    nodes.take(batch());
    nodes.setFilter('api');
    nodes.show({ profileId: 'acme', region: 'eu-west-1', nodeId: 'i-web-2', nodeName: 'web-2' });
    expect(nodes.filter).toBe('');
    expect(nodes.front?.node.name).toBe('web-2');
  });
});
