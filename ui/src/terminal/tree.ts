/** A tab's panes as a tree of splits. Every change makes a new tree. */
import type { PaneView, SplitDirection, TargetView, TerminalId } from '../backend';

export type Leaf = Extract<PaneView, { kind: 'terminal' }>;
export type Split = Extract<PaneView, { kind: 'split' }>;

export function leaf(id: TerminalId, target: TargetView): Leaf {
  return { kind: 'terminal', id, target };
}

/** The panes from first to last. */
export function leaves(tree: PaneView): Leaf[] {
  return tree.kind === 'terminal' ? [tree] : [...leaves(tree.first), ...leaves(tree.second)];
}

/** Puts a new pane beside or below one. */
export function split(tree: PaneView, at: TerminalId, direction: SplitDirection, added: Leaf): PaneView {
  if (tree.kind === 'split') {
    return {
      ...tree,
      first: split(tree.first, at, direction, added),
      second: split(tree.second, at, direction, added),
    };
  }
  if (tree.id !== at) return tree;
  return { kind: 'split', direction, ratioPercent: 50, first: tree, second: added };
}

/** Takes a pane out; its neighbour gets the room. Null: it was the last. */
export function without(tree: PaneView, id: TerminalId): PaneView | null {
  if (tree.kind === 'terminal') return tree.id === id ? null : tree;
  const first = without(tree.first, id);
  const second = without(tree.second, id);
  if (first === null) return second;
  if (second === null) return first;
  return first === tree.first && second === tree.second ? tree : { ...tree, first, second };
}

/** Changes how a split shares its room. */
export function resized(tree: PaneView, wanted: Split, ratioPercent: number): PaneView {
  if (tree === wanted) return { ...wanted, ratioPercent };
  if (tree.kind === 'terminal') return tree;
  return {
    ...tree,
    first: resized(tree.first, wanted, ratioPercent),
    second: resized(tree.second, wanted, ratioPercent),
  };
}
