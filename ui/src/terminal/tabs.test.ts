import { beforeEach, describe, expect, it, vi } from 'vitest';

import { eventually, fakeBackend, terminalSettings, type Fake } from '../../tests/fake';
import { Tabs } from './tabs.svelte';

// The screen needs a canvas; what it is told is all that matters here.
const screens: { written: string[]; focus: () => void }[] = [];
vi.mock('./screen', () => ({
  Screen: class {
    written: string[] = [];
    size = { cols: 80, rows: 24 };
    inFullScreenProgram = false;
    constructor() {
      screens.push(this);
    }
    write(data: string | Uint8Array, taken?: () => void) {
      this.written.push(typeof data === 'string' ? data : new TextDecoder().decode(data));
      taken?.();
    }
    settle(line: string) {
      this.written.push(line);
    }
    paste = vi.fn();
    focus = vi.fn();
    kept = () => 'kept';
    dispose = vi.fn();
  },
}));

const web = { profileId: 'p', region: 'r', nodeId: 'i-1', nodeName: 'web-1' };
const api = { ...web, nodeId: 'i-2', nodeName: 'api-1' };
let fake: Fake;
let tabs: Tabs;
const settled = () => eventually(() => expect(fake.of('terminalOpen').length).toBeGreaterThan(0));
const state = (id: string, state: Parameters<Tabs['take']>[0]['state']) =>
  tabs.take({ id, target: web, state, user: null, idleEndMs: null, sessionId: null });

beforeEach(async () => {
  fake = await fakeBackend({ scrollbackLoad: () => Promise.resolve('old lines') });
  tabs = new Tabs();
  tabs.settingsFrom(() => terminalSettings);
  screens.length = 0;
});

describe('tabs', () => {
  it('opens one for each node and starts its session', async () => {
    tabs.open([web, api]);
    await eventually(() => expect(fake.of('terminalOpen')).toHaveLength(2));
    expect(tabs.list.map((tab) => tabs.titleOf(tab))).toEqual(['web-1', 'api-1']);
    expect(tabs.front).toBe(tabs.list[1]?.id);
    expect(tabs.toneOf(tabs.list[0]!)).toBe('starting');
  });

  it('brings tabs back ended, and starts again on Enter with the scrollback kept', async () => {
    tabs.restore([{ id: 't', title: 'mine', root: { kind: 'terminal', id: 'a', target: web } }]);
    const pane = tabs.find('a');
    expect(pane?.shown).toEqual({ state: 'kept' });
    pane?.send('x', 'utf8');
    expect(fake.of('terminalOpen')).toEqual([]);
    await pane?.attach(document.createElement('div')).catch(() => undefined);
    pane?.send('\r', 'utf8');
    await settled();
    expect(fake.of('terminalOpen')[0]?.slice(0, 2)).toEqual(['a', web]);
    expect(screens[0]?.written[0]).toBe('old lines');
    expect(screens[0]?.written[1]).toContain('new session');
  });

  it('types into its own session, or into all that share', async () => {
    const [first, second] = tabs.open([web, api]);
    await eventually(() => expect(fake.of('terminalOpen')).toHaveLength(2));
    for (const pane of [first, second]) state(pane!.id, { state: 'connected' });
    tabs.typed(first!, 'a', 'utf8');
    await eventually(() => expect(fake.of('terminalWrite')).toEqual([[first!.id, 'a', 'utf8']]));
    tabs.broadcast = new Set([first!.id, second!.id]);
    tabs.typed(first!, 'b', 'utf8');
    await eventually(() => expect(fake.of('terminalWrite')).toHaveLength(3));
  });

  it('shows a session that could not be asked for as failed', async () => {
    fake = await fakeBackend({ terminalOpen: () => Promise.reject(new Error('no')) });
    const [pane] = tabs.open([web]);
    await eventually(() => expect(pane!.shown.state).toBe('failed'));
  });

  it('asks before several lines are pasted', async () => {
    const [pane] = tabs.open([web]);
    await settled();
    pane!.paste('one line\n');
    expect(pane!.pasting).toBeNull();
    pane!.paste('one\ntwo\n');
    expect(pane!.pasting).toBe('one\ntwo\n');
    pane!.confirmPaste(null);
    expect(pane!.pasting).toBeNull();
  });

  it('goes to a neighbour when the one in front is closed, and ends its session', () => {
    const [first] = tabs.open([web, api]);
    tabs.close(tabs.front);
    expect(tabs.front).toBe(tabs.list[0]?.id);
    tabs.close(tabs.front);
    expect(tabs.front).toBe('tunnels');
    expect(fake.of('terminalClose')).toContainEqual([first!.id]);
  });

  it('splits and closes panes', () => {
    tabs.open([web]);
    tabs.split('right');
    expect(tabs.panes).toHaveLength(2);
    tabs.closePane(tabs.tab!, tabs.pane!);
    expect(tabs.panes).toHaveLength(1);
    expect(tabs.tab?.root.kind).toBe('terminal');
  });

  it('moves tabs and steps through pages and tabs in their order', () => {
    tabs.open([web, api]);
    const [a, b] = tabs.list;
    tabs.move(b!.id, 0);
    expect(tabs.list).toEqual([b, a]);
    tabs.show('nodes');
    tabs.step(-1);
    expect(tabs.front).toBe(a!.id);
    tabs.step(1);
    expect(tabs.front).toBe('nodes');
  });

  it('gives back what it was restored from', () => {
    const views = [{ id: 't', title: null, root: { kind: 'terminal' as const, id: 'a', target: web } }];
    tabs.restore(views);
    expect(tabs.views()).toEqual(views);
  });
});
