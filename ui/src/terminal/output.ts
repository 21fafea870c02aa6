/**
 * Output from the app to the screen, with flow control. The app sends at most `windowBytes`
 * beyond what was acknowledged; a quarter of that is acknowledged once the screen has taken it.
 */

/** Agreed with the app. Measured: larger gains nothing, smaller halves the throughput. */
export const windowBytes = 1024 * 1024;
const ackEvery = windowBytes / 4;

type Write = (bytes: Uint8Array, taken: () => void) => void;

export class Output {
  #unacknowledged = 0;
  #stopped = false;

  constructor(
    private readonly write: Write,
    private readonly acknowledge: (bytes: number) => void,
  ) {}

  /** One piece from the app, in order. */
  take(piece: ArrayBuffer): void {
    if (this.#stopped) return;
    const bytes = new Uint8Array(piece);
    this.write(bytes, () => this.#taken(bytes.byteLength));
  }

  /** No further pieces: the terminal has a new session or is gone. */
  stop(): void {
    this.#stopped = true;
  }

  #taken(bytes: number): void {
    if (this.#stopped) return;
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < ackEvery) return;
    this.acknowledge(this.#unacknowledged);
    this.#unacknowledged = 0;
  }
}
