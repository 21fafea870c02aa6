/** How a state looks, and the words for what terminals and tunnels both go through. */
import type { StartStep, TerminalState, TunnelState } from '../backend';
import { duration } from './format';

/** Each tone has its own shape, so that colour is never the only sign. */
export type Tone = 'good' | 'starting' | 'reconnecting' | 'waiting' | 'off' | 'bad';

/** Kept: from the last time, not opened yet. */
type State = TerminalState['state'] | TunnelState['state'] | 'kept';

const tones: Record<State, Tone> = {
  starting: 'starting',
  connected: 'good',
  ready: 'good',
  listening: 'good',
  reconnecting: 'reconnecting',
  waiting: 'waiting',
  failed: 'bad',
  ended: 'off',
  stopped: 'off',
  kept: 'off',
};

export const toneOf = ({ state }: { state: State }): Tone => tones[state];

export const startWords = (step: StartStep) =>
  step === 'session' ? 'Starting session…' : 'Waiting for the agent…';

/** `Network changed. Reconnecting (2)`. */
export const reconnectWords = ({ cause, attempt }: { cause: string; attempt: number }) =>
  `${cause}. Reconnecting${attempt > 1 ? ` (${attempt})` : ''}`;

/** What follows those: `, next try in 3 s`; `…` while a try is under way, or where nothing ticks. */
export const nextTry = ({ retryMs }: { retryMs: number | null }, nowMs: number | null) =>
  retryMs === null || nowMs === null || retryMs <= nowMs ? '…' : `, next try in ${duration(retryMs - nowMs)}`;
