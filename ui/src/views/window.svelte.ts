/** How the window is laid out, and what of it is kept. */
import { attempt, call, type ScopeView, type WorkspaceView } from '../backend';
import { Debounce } from '../lib/debounce';
import { columnOf, defaultColumns } from '../nodes/columns';
import { nodes } from '../nodes/nodes.svelte';
import { tabs } from '../terminal/tabs.svelte';

const recentMost = 30;

class WindowState {
  sidebarWidth = $state(220);
  sidebarCollapsed = $state(false);
  recent = $state.raw<string[]>([]);
  hintsClosed = $state.raw<string[]>([]);
  shortcuts = $state(false);
  version = $state('');
  #loaded = false;
  readonly #saving = new Debounce(800, () => attempt(call.workspaceSave(this.view)));

  /** As it would be saved now. */
  readonly view = $derived<WorkspaceView>({
    scope: nodes.scope,
    sidebarWidth: this.sidebarWidth,
    sidebarCollapsed: this.sidebarCollapsed,
    drawerOpen: nodes.drawerOpen,
    columns: nodes.columns,
    sort: nodes.sort,
    tabs: tabs.views(),
    activeTab: tabs.front,
    recent: this.recent,
    hintsClosed: this.hintsClosed,
  });

  /** Puts things back as they were left. */
  take(view: WorkspaceView, restoreTabs: boolean): void {
    const columns = view.columns.filter(({ id }) => columnOf(id) !== null);
    this.sidebarWidth = view.sidebarWidth || 220;
    this.sidebarCollapsed = view.sidebarCollapsed;
    this.recent = view.recent;
    this.hintsClosed = view.hintsClosed;
    nodes.drawerOpen = view.drawerOpen;
    nodes.columns = columns.length > 0 ? columns : defaultColumns;
    nodes.sort = view.sort;
    nodes.scope = view.scope;
    if (restoreTabs) {
      tabs.restore(view.tabs);
      tabs.show(view.activeTab);
    }
    this.#loaded = true;
  }

  /** Called whenever something worth keeping has changed. */
  save(): void {
    if (this.#loaded) this.#saving.poke();
  }

  flush(): void {
    this.#saving.flush();
    for (const pane of tabs.panes) pane.flush();
  }

  used(id: string): void {
    this.recent = [id, ...this.recent.filter((other) => other !== id)].slice(0, recentMost);
  }

  closeHint(id: string): void {
    this.hintsClosed = [...this.hintsClosed, id];
  }

  /** Shows another part of the world, on the nodes page. */
  look(scope: ScopeView): void {
    nodes.look(scope);
    tabs.show('nodes');
  }
}

export const frame = new WindowState();
