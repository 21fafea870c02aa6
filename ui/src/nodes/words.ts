/** A node's state in words. */
import type { NodeView, PingState } from '../backend';
import type { Tone } from '../lib/tone';

export function pingTone(ping: PingState): Tone {
  return ping === 'online' ? 'good' : 'off';
}

export function pingWords(ping: PingState): string {
  return {
    online: 'Online',
    connectionLost: 'Not connected',
    inactive: 'Inactive',
    unmanaged: 'Not managed',
  }[ping];
}

/** Why a row can't be connected to, in one line. `since` says how long ago a time was. */
export function offlineWords(node: NodeView, since: (ms: number) => string): string {
  if (node.instanceState === 'stopped') return 'The instance is stopped.';
  if (node.ping === 'unmanaged') return 'Not registered with Systems Manager.';
  return node.lastPingMs === null ? 'Not connected.' : `Not connected since ${since(node.lastPingMs)}.`;
}
