/** Runs a piece of work once things have been quiet for a while, and at the latest when flushed. */
export class Debounce {
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly quietMs: number,
    private readonly work: () => void,
  ) {}

  poke(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), this.quietMs);
  }

  flush(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.work();
  }
}
