/** The texts of all rows as one, so that a word is looked for in one pass over memory. */
import type { Query } from './filter';
import type { NodeRow } from './row';

/** Stands between rows; nobody types it. */
const edge = '\0';

export class Haystack {
  readonly #text: string;
  /** Where the text of each row ends. */
  readonly #ends: Uint32Array;

  constructor(private readonly rows: readonly NodeRow[]) {
    this.#text = rows.map((row) => row.hay).join(edge);
    this.#ends = new Uint32Array(rows.length);
    let end = -edge.length;
    for (const [i, row] of rows.entries()) {
      end += row.hay.length + edge.length;
      this.#ends[i] = end;
    }
  }

  /** The rows that fit, in their order. */
  fitting({ word, test }: Query): NodeRow[] {
    const among = word === null ? this.rows : this.#holding(word);
    return among.filter(test);
  }

  #holding(word: string): NodeRow[] {
    const found: NodeRow[] = [];
    let i = 0;
    for (let at = this.#text.indexOf(word); at >= 0;) {
      while ((this.#ends[i] ?? 0) <= at) i += 1;
      const row = this.rows[i];
      if (row !== undefined) found.push(row);
      at = this.#text.indexOf(word, this.#ends[i]);
    }
    return found;
  }
}
