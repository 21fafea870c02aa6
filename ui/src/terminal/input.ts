/**
 * Input from the keyboard to the app: in order, one write in flight. What is typed meanwhile
 * is gathered, so that a slow network costs one call and not one a key.
 */
import type { InputEncoding } from '../backend';

/** Characters in one write; a long paste goes in several. */
export const pieceLength = 16 * 1024;
/** What may wait. More than a paste of a large file; beyond it, input is refused. */
export const waitingLimit = 8 * 1024 * 1024;

type Write = (data: string, encoding: InputEncoding) => Promise<unknown>;

interface Piece {
  data: string;
  encoding: InputEncoding;
}

export class Input {
  #waiting: Piece[] = [];
  #length = 0;
  #busy = false;
  #stopped = false;

  constructor(
    private readonly write: Write,
    private readonly failed: (thrown: unknown) => void,
  ) {}

  /** Says whether the data was taken. */
  push(data: string, encoding: InputEncoding = 'utf8'): boolean {
    if (this.#stopped || this.#length + data.length > waitingLimit) return false;
    if (data === '') return true;
    const last = this.#waiting.at(-1);
    if (last?.encoding === encoding) last.data += data;
    else this.#waiting.push({ data, encoding });
    this.#length += data.length;
    if (!this.#busy) void this.#drain();
    return true;
  }

  /** Forgets what waits; nothing more is written. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#length = 0;
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    for (let piece = this.#next(); piece !== null; piece = this.#next()) {
      try {
        await this.write(piece.data, piece.encoding);
      } catch (thrown) {
        this.#waiting = [];
        this.#length = 0;
        this.failed(thrown);
      }
    }
    this.#busy = false;
  }

  #next(): Piece | null {
    const first = this.#waiting[0];
    if (first === undefined) return null;
    let cut = Math.min(first.data.length, pieceLength);
    // A pair of surrogates is one character and stays together.
    if (cut < first.data.length && /[\ud800-\udbff]/.test(first.data[cut - 1] ?? '')) cut -= 1;
    const piece = { data: first.data.slice(0, cut), encoding: first.encoding };
    if (cut === first.data.length) this.#waiting.shift();
    else first.data = first.data.slice(cut);
    this.#length -= cut;
    return piece;
  }
}
