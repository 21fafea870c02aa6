import { beforeEach, describe, expect, it, vi } from 'vitest';

import { actionOf, actionView, possibleActions, provide, run } from './actions';
import { chordOf, shown } from './lib/keys';

const press = (key: string, more: KeyboardEventInit = {}) => new KeyboardEvent('keydown', { key, ...more });
const ctrl = (key: string, more: KeyboardEventInit = {}) => press(key, { ctrlKey: true, ...more });
const deeds = {
  palette: vi.fn(),
  tunnels: vi.fn(),
  filter: vi.fn(),
  goto: vi.fn(),
  same: vi.fn(),
  fresh: vi.fn(),
  help: vi.fn(),
  rename: vi.fn(),
};

beforeEach(() => {
  vi.clearAllMocks();
  provide({
    'app.palette': { run: deeds.palette },
    'app.shortcuts': { run: deeds.help },
    'tunnels.show': { run: deeds.tunnels },
    'nodes.filter': { run: deeds.filter },
    'tab.goto': { run: deeds.goto },
    'tab.same': { run: deeds.same },
    'tab.new': { run: deeds.fresh },
    'tab.rename': { run: deeds.rename, enabled: () => true },
  });
});

const act = (event: KeyboardEvent, inTerminal = false, mac = false) => {
  const found = actionOf(event, inTerminal, mac);
  found?.();
  return found !== null;
};

describe('keys', () => {
  it('finds an action by its chord', () => {
    expect(act(ctrl('k'))).toBe(true);
    expect(deeds.palette).toHaveBeenCalledOnce();
    expect(act(ctrl('L', { shiftKey: true }))).toBe(true);
    expect(deeds.tunnels).toHaveBeenCalledOnce();
  });

  it('leaves plain Ctrl+letter to the shell in a terminal, and takes Ctrl+Shift there', () => {
    expect(act(ctrl('k'), true)).toBe(false);
    expect(act(ctrl('K', { shiftKey: true }), true)).toBe(true);
    expect(deeds.palette).toHaveBeenCalledOnce();
  });

  it('does not let a raised chord hide one that is written so', () => {
    act(ctrl('L', { shiftKey: true }), true);
    expect(deeds.tunnels).toHaveBeenCalledOnce();
    expect(deeds.filter).not.toHaveBeenCalled();
    act(ctrl('T', { shiftKey: true }), true);
    expect(deeds.same).toHaveBeenCalledOnce();
    expect(deeds.fresh).not.toHaveBeenCalled();
  });

  it('leaves function keys to the program, but for help', () => {
    expect(act(press('F2'), true)).toBe(false);
    expect(act(press('F2'))).toBe(true);
    expect(act(press('F1'), true)).toBe(true);
  });

  it('goes to tabs by number, also in a terminal', () => {
    expect(act(ctrl('3', { code: 'Digit3' }), true)).toBe(true);
    expect(deeds.goto).toHaveBeenCalledWith(3);
  });

  it('takes Cmd on a Mac and leaves Ctrl alone', () => {
    expect(act(press('k', { metaKey: true }), true, true)).toBe(true);
    expect(act(ctrl('k'), false, true)).toBe(false);
  });

  it('writes chords as the platform does', () => {
    expect(shown(chordOf('Mod+Shift+T'), false)).toBe('Ctrl+Shift+T');
    expect(shown(chordOf('Mod+Shift+T'), true)).toBe('⇧⌘T');
    expect(shown(chordOf('Copy'), true)).toBe('⌘C');
    expect(shown(chordOf('Ctrl+Tab'), true)).toBe('⌃TAB'.replace('TAB', 'Tab'));
  });
});

describe('actions', () => {
  it('does nothing when it is not possible now', () => {
    const doing = vi.fn();
    provide({ 'tab.close': { run: doing, enabled: () => false } });
    run('tab.close');
    expect(doing).not.toHaveBeenCalled();
    expect(possibleActions().map(({ id }) => id)).not.toContain('tab.close');
  });

  it('knows its title and keys', () => {
    expect(actionView('tab.close')).toMatchObject({ title: 'Close tab or pane', section: 'Tabs' });
  });
});
