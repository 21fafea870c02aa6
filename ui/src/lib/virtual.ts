/** Which rows of a long list are drawn. */

export interface Slice {
  from: number;
  /** Exclusive. */
  to: number;
}

const overscan = 8;

/** The rows in sight and a few around them. */
export function slice(scrollTop: number, viewHeight: number, rowHeight: number, rows: number): Slice {
  const from = Math.max(0, Math.floor(scrollTop / rowHeight) - overscan);
  const to = Math.min(rows, Math.ceil((scrollTop + viewHeight) / rowHeight) + overscan);
  return { from: Math.min(from, to), to };
}

/**
 * Which row each of `slots` draws, where `from` is the first that is drawn. A row keeps its slot while it is
 * drawn, so that scrolling changes those only that it brings into sight.
 */
export function places(from: number, slots: number): number[] {
  const first = slots === 0 ? 0 : from % slots;
  return Array.from({ length: slots }, (_, slot) => from + ((slot - first + slots) % slots));
}

/** Where to scroll so that a row is in sight; the same place when it already is. */
export function reveal(row: number, scrollTop: number, viewHeight: number, rowHeight: number): number {
  const top = row * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + viewHeight) return top + rowHeight - viewHeight;
  return scrollTop;
}
