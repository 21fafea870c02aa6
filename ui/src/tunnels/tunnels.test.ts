import { beforeEach, describe, expect, it, vi } from 'vitest';

import { eventually, fakeBackend, type Fake } from '../../tests/fake';
import type { TunnelSpec, TunnelState, TunnelView } from '../backend';
import { notices } from '../lib/notices.svelte';
import { TunnelForm } from './form.svelte';
import { added, noSamples } from './traffic';
import { Tunnels } from './tunnels.svelte';
import { connectionString, localAddress, stateWords, viaWords } from './words';

const spec: TunnelSpec = {
  name: 'orders-db',
  group: 'Shop',
  profileId: 'acme',
  region: 'eu-west-1',
  via: { kind: 'node', nodeId: 'i-1' },
  remoteHost: 'orders.rds',
  remotePort: 5432,
  localPort: 15432,
  bind: { kind: 'loopback' },
  startAtLaunch: false,
  onDemand: false,
  idleStopMinutes: null,
  lanes: 3,
};
const tunnel = (change: Partial<TunnelView> = {}): TunnelView => ({
  id: 't1',
  spec,
  wanted: true,
  state: { state: 'stopped' },
  nodeName: 'db-jump',
  listening: [],
  connections: 0,
  ...change,
});
const words = (state: TunnelState, more: Partial<TunnelView> = {}) =>
  stateWords(tunnel({ state, ...more }), 60_000);

let fake: Fake;
let tunnels: Tunnels;
beforeEach(async () => {
  fake = await fakeBackend({
    tunnelSave: () => Promise.resolve('t9'),
    portCheck: (port) =>
      Promise.resolve({
        free: port !== 5432,
        holder: port === 5432 ? 'postgres (pid 812)' : null,
        proposed: port === 5432 ? 5433 : port,
      }),
  });
  tunnels = new Tunnels();
});

describe('words', () => {
  it('says each state', () => {
    const listening = ['127.0.0.1:5432', '[::1]:5432'];
    expect(words({ state: 'listening', sinceMs: 0 }, { listening })).toEqual({
      main: 'Listening on 127.0.0.1:5432',
      more: 'up 1 min',
    });
    expect(words({ state: 'listening', sinceMs: 0 }, { connections: 2 }).main).toBe('2 connections');
    expect(words({ state: 'ready' }, { listening })).toEqual({
      main: 'Ready, starts on first use',
      more: 'listening on 127.0.0.1 and ::1',
    });
    expect(words({ state: 'reconnecting', attempt: 2, retryMs: 63_000, cause: 'Network changed' }).main).toBe(
      'Network changed. Reconnecting (2), next try in 3 s',
    );
    const error = { code: 'signInExpired' as const, message: 'x', detail: null };
    expect(words({ state: 'waiting', error })).toEqual({
      main: 'Sign-in expired, waiting',
      more: 'the port stays open for you',
    });
  });

  it('writes addresses', () => {
    expect(localAddress(tunnel())).toBe('localhost:15432');
    expect(localAddress(tunnel({ spec: { ...spec, localPort: 0 }, listening: ['127.0.0.1:40001'] }))).toBe(
      'localhost:40001',
    );
    expect(connectionString(tunnel())).toBe('postgres://localhost:15432/');
    expect(viaWords(tunnel({ spec: { ...spec, via: { kind: 'tag', key: 'App', value: 'shop' } } }))).toBe(
      'any online node of App=shop, now db-jump',
    );
  });
});

describe('tunnels', () => {
  it('tells of a refused connection in the row, until the next one or a while later', () => {
    const line = { id: 't1', atMs: 1000, severity: 'warn' as const, text: 'web:9999 refused the connection' };
    tunnels.takeLog(line);
    expect(tunnels.warning('t1', 2000)).toBe('web:9999 refused the connection');
    expect(tunnels.warning('t1', 90_000)).toBeNull();
    tunnels.takeLog({ ...line, severity: 'info', text: 'Connection from 127.0.0.1:4' });
    expect(tunnels.warning('t1', 2000)).toBeNull();
  });

  it('groups in the order of the user, others last', () => {
    tunnels.order = ['Shop'];
    tunnels.takeAll([
      tunnel({ id: 'a', spec: { ...spec, group: null } }),
      tunnel({ id: 'b', spec: { ...spec, group: 'Attic' } }),
      tunnel({ id: 'c', state: { state: 'ready' } }),
    ]);
    expect(tunnels.groups.map(({ name, up }) => [name, up])).toEqual([
      ['Shop', 1],
      ['Attic', 0],
      [null, 0],
    ]);
    tunnels.filter = 'attic';
    expect(tunnels.groups.map(({ name }) => name)).toEqual(['Attic']);
  });

  it('takes another port and starts', async () => {
    tunnels.usePort(tunnel(), 5433);
    await eventually(() => expect(fake.of('tunnelSwitch')).toEqual([['t1', true]]));
    expect(fake.of('tunnelSave')).toEqual([['t1', { ...spec, localPort: 5433 }]]);
  });

  it('brings a removed tunnel back', async () => {
    tunnels.takeAll([tunnel()]);
    tunnels.remove(tunnel());
    await eventually(() => expect(notices.list.at(-1)?.text).toBe('Removed orders-db.'));
    expect(tunnels.all).toEqual([]);
    notices.list.at(-1)?.action?.run();
    await eventually(() => expect(fake.of('tunnelSwitch')).toEqual([['t9', true]]));
    expect(fake.of('tunnelSave')).toEqual([[null, spec]]);
  });

  it('keeps a minute of traffic, silence included', () => {
    let samples = added(noSamples, 1000, 5, 1);
    samples = added(samples, 4000, 7, 2);
    expect(samples.received).toEqual([5, 0, 0, 7]);
    for (let i = 0; i < 100; i += 1) samples = added(samples, 5000 + i * 1000, i, i);
    expect(samples.received).toHaveLength(60);
  });

  it('lets the curves run out when nothing more is told', () => {
    vi.useFakeTimers();
    tunnels.takeTraffic({ atMs: 1000, tunnels: [{ id: 't1', received: 9, sent: 1 }] });
    expect(tunnels.rates).toEqual({ received: 9, sent: 1 });
    vi.advanceTimersByTime(1400);
    expect(tunnels.rates).toEqual({ received: 0, sent: 0 });
    vi.advanceTimersByTime(100_000);
    expect(tunnels.samples('t1')).toBe(noSamples);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
});

describe('form', () => {
  it('proposes a name and a free port from the little it is told', async () => {
    const form = TunnelForm.through({
      profileId: 'acme',
      region: 'eu-west-1',
      nodeId: 'i-1',
      nodeName: 'db-jump',
    });
    form.remoteHost = 'orders.cluster-c1.rds.amazonaws.com';
    form.remotePort = '5432';
    await form.checkPort();
    expect(form.proposedName).toBe('orders');
    expect(form.spec()).toMatchObject({
      name: 'orders',
      localPort: 5433,
      remotePort: 5432,
      region: 'eu-west-1',
    });
  });

  it('never proposes a port that needs rights', async () => {
    const form = TunnelForm.through(null);
    form.remotePort = '80';
    await form.checkPort();
    expect(form.port?.proposed).toBe(8080);
  });

  it('saves nothing that does not hold, and says what', async () => {
    const form = TunnelForm.through(null);
    expect(await form.save(true)).toBe(false);
    expect(form.problems.node).not.toBe('');
    expect(form.problems.remotePort).not.toBe('');
    form.lanes = '17';
    expect(form.problems.lanes).not.toBe('');
    expect(fake.of('tunnelSave')).toEqual([]);
  });

  it('edits to the same and copies to a new one with a free port', () => {
    expect(TunnelForm.of(tunnel(), false).spec()).toEqual(spec);
    const copy = TunnelForm.of(tunnel(), true);
    expect(copy.id).toBeNull();
    expect(copy.spec()).toMatchObject({ name: 'orders-db copy', localPort: 0 });
  });
});
