import './theme/tokens.css';
import './theme/base.css';
import './theme/tab.css';

import { mount } from 'svelte';

import { asAppError } from './backend';
import Failed from './views/Failed.svelte';
import Frame from './views/Frame.svelte';
import { start } from './views/start';

const target = document.getElementById('app') ?? document.body;
try {
  await start();
  mount(Frame, { target });
  // Known now, needed soon: the terminal's code comes in, and learns how to draw, while nothing else is to do.
  setTimeout(() => void import('./terminal/screen').then(({ hasCard }) => hasCard()), 600);
} catch (thrown) {
  mount(Failed, { target, props: { error: asAppError(thrown) } });
}
