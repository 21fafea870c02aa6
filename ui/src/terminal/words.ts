/** A terminal's state in words. */
import type { EndReason, TerminalState } from '../backend';
import { nextTry, reconnectWords, startWords } from '../lib/tone';

/** None: kept from the last time, not opened yet. */
export type Shown = TerminalState | { state: 'kept' };

/** `nowMs` null: without the countdown, for words that do not tick. */
export function stateWords(shown: Shown, nowMs: number | null): string {
  switch (shown.state) {
    case 'connected':
      return 'Connected';
    case 'starting':
      return startWords(shown.step);
    case 'reconnecting':
      return reconnectWords(shown) + nextTry(shown, nowMs);
    case 'waiting':
    case 'failed':
      return shown.error.message;
    case 'ended':
      return `Ended: ${endWords(shown.reason)}`;
    case 'kept':
      return 'Ended: Adit was closed';
  }
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
