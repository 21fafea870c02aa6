/** A terminal's state in words. */
import type { EndReason, TerminalState } from '../backend';
import type { Tone } from '../lib/tone';
import { duration } from '../lib/format';

/** None: kept from the last time, not opened yet. */
export type Shown = TerminalState | { state: 'kept' };

export function toneOf(shown: Shown): Tone {
  switch (shown.state) {
    case 'connected':
      return 'good';
    case 'starting':
      return 'starting';
    case 'reconnecting':
      return 'reconnecting';
    case 'waiting':
      return 'waiting';
    case 'failed':
      return 'bad';
    case 'ended':
    case 'kept':
      return 'off';
  }
}

/** `nowMs` null: without the countdown, for words that do not tick. */
export function stateWords(shown: Shown, nowMs: number | null): string {
  switch (shown.state) {
    case 'connected':
      return 'Connected';
    case 'starting':
      return shown.step === 'session' ? 'Starting session…' : 'Waiting for the agent…';
    case 'reconnecting':
      return `${shown.cause}. Reconnecting${shown.attempt > 1 ? ` (${shown.attempt})` : ''}${nextTry(shown.retryMs, nowMs)}`;
    case 'waiting':
      return shown.error.message;
    case 'failed':
      return shown.error.message;
    case 'ended':
      return `Ended: ${endWords(shown.reason)}`;
    case 'kept':
      return 'Ended: Adit was closed';
  }
}

export function nextTry(retryMs: number | null, nowMs: number | null): string {
  return retryMs === null || nowMs === null || retryMs <= nowMs
    ? '…'
    : `, next try in ${duration(retryMs - nowMs)}.`;
}

function endWords(reason: EndReason): string {
  switch (reason.kind) {
    case 'exited':
      return 'the shell has ended';
    case 'idleTimeout':
      return `idle for ${reason.minutes} min`;
    case 'maxDuration':
      return 'the longest time allowed is over';
    case 'terminated':
      return 'someone else ended the session';
    case 'lost':
      return 'the session was lost';
  }
}

/** Whether Enter starts a new session. */
export function isOver(shown: Shown): boolean {
  return shown.state === 'ended' || shown.state === 'failed' || shown.state === 'kept';
}
