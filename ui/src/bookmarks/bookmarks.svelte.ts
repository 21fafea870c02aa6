/** Favourite nodes, the order of tunnel groups, saved views. */
import {
  attempt,
  call,
  type BookmarkId,
  type BookmarksView,
  type NodeBookmarkView,
  type SavedView,
  type TargetView,
} from '../backend';

const same = (a: TargetView, b: TargetView) =>
  a.nodeId === b.nodeId && a.region === b.region && a.profileId === b.profileId;

export class Bookmarks {
  view = $state.raw<BookmarksView>({ nodes: [], groups: [], savedViews: [] });
  /** The bookmark whose name is being written. */
  renaming = $state<BookmarkId | null>(null);

  take(view: BookmarksView): void {
    this.view = view;
  }

  isFavourite(target: TargetView): boolean {
    return this.view.nodes.some((bookmark) => same(bookmark.target, target));
  }

  toggle(target: TargetView): void {
    const kept = this.view.nodes.filter((bookmark) => !same(bookmark.target, target));
    const removed = kept.length < this.view.nodes.length;
    const added: NodeBookmarkView = {
      id: crypto.randomUUID(),
      name: target.nodeName,
      target,
      startAtLaunch: false,
    };
    this.#save({ ...this.view, nodes: removed ? kept : [...kept, added] });
  }

  change(id: BookmarkId, change: Partial<Pick<NodeBookmarkView, 'name' | 'startAtLaunch'>>): void {
    this.#save({
      ...this.view,
      nodes: this.view.nodes.map((bookmark) => (bookmark.id === id ? { ...bookmark, ...change } : bookmark)),
    });
  }

  move(id: BookmarkId, by: number): void {
    const nodes = [...this.view.nodes];
    const from = nodes.findIndex((bookmark) => bookmark.id === id);
    const [moved] = nodes.splice(from, 1);
    if (moved === undefined) return;
    nodes.splice(Math.max(0, from + by), 0, moved);
    this.#save({ ...this.view, nodes });
  }

  saveViews(savedViews: SavedView[]): void {
    this.#save({ ...this.view, savedViews });
  }

  /** Shown at once; the app answers with the same as an event. */
  #save(view: BookmarksView): void {
    this.view = view;
    attempt(call.bookmarksSave(view));
  }
}

export const bookmarks = new Bookmarks();
