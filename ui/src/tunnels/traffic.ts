/** The bytes of the last minute of one tunnel, second by second. */

const keptSeconds = 60;

export interface Samples {
  /** Bytes towards this computer, newest last. */
  received: number[];
  sent: number[];
  /** The second the newest stands for. */
  atMs: number;
}

export const noSamples: Samples = { received: [], sent: [], atMs: 0 };

/** With one more second; seconds without news count as still. */
export function added(before: Samples, atMs: number, received: number, sent: number): Samples {
  const missed =
    before.atMs === 0 ? 0 : Math.min(keptSeconds, Math.max(0, Math.round((atMs - before.atMs) / 1000) - 1));
  const still = new Array<number>(missed).fill(0);
  return {
    received: [...before.received, ...still, received].slice(-keptSeconds),
    sent: [...before.sent, ...still, sent].slice(-keptSeconds),
    atMs,
  };
}

/** Whether anything moved within the minute. */
export function isStill({ received, sent }: Samples): boolean {
  return received.every((n) => n === 0) && sent.every((n) => n === 0);
}
