import axe from 'axe-core';
import { mount, tick, unmount } from 'svelte';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { run, type ActionId } from '../src/actions';
import Frame from '../src/views/Frame.svelte';
import { openForm } from '../src/tunnels/form.svelte';
import { palette } from '../src/palette/palette.svelte';
import { profiles } from '../src/profiles/profiles.svelte';
import { frame as window_ } from '../src/views/window.svelte';
import { start } from '../src/views/start';

// Contrast needs a real page; `npm run pictures` audits that in both themes.
const rules = { 'color-contrast': { enabled: false } };

let frame: ReturnType<typeof mount>;
const go = run as (id: ActionId) => void;

beforeAll(async () => {
  // Without a shell around it the window takes the pretend backend.
  history.replaceState(null, '', '?own');
  await start();
  frame = mount(Frame, { target: document.body });
});
afterAll(() => unmount(frame));

/** A sheet makes the rest inert, which jsdom does not know: one at a time. */
function closeSheets(): void {
  openForm.form = null;
  window_.shortcuts = false;
  profiles.adding = false;
  palette.close();
}

async function violations(): Promise<string[]> {
  await tick();
  const { violations: found } = await axe.run(document.body, { rules, resultTypes: ['violations'] });
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}

describe('every page is free of accessibility violations', () => {
  it.each([
    'nodes.show',
    'tunnels.show',
    'app.settings',
    'tunnels.add',
    'app.shortcuts',
    'account.add',
    'app.palette',
  ] as const)('%s', async (id) => {
    go(id);
    expect(await violations()).toEqual([]);
    closeSheets();
  });
});
