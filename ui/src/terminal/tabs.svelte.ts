/** The tabs: which there are, their panes, which is in front. */
import type {
  InputEncoding,
  SplitDirection,
  TabView,
  TargetView,
  TerminalId,
  TerminalSettings,
  TerminalStateView,
  PaneView,
} from '../backend';
import { toneOf, type Tone } from '../lib/tone';
import { Pane, type PaneHome } from './pane.svelte';
import { leaf, leaves, resized, split, without, type Split } from './tree';
import { isOver } from './words';

/** What stands in front when it is no tab. */
export const pages = ['nodes', 'tunnels', 'settings'] as const;
export type Page = (typeof pages)[number];

export class Tab {
  title = $state<string | null>(null);
  root = $state.raw<PaneView>() as PaneView;
  /** The pane with the keyboard. */
  current = $state<TerminalId>('');
  renaming = $state(false);

  constructor(
    readonly id: string,
    root: PaneView,
    title: string | null,
  ) {
    this.root = root;
    this.title = title;
    this.current = leaves(root)[0]?.id ?? '';
  }
}

/** The state that says most about a tab of several panes. */
const worst: Tone[] = ['bad', 'waiting', 'reconnecting', 'starting', 'good', 'off'];

export class Tabs implements PaneHome {
  list = $state.raw<Tab[]>([]);
  /** A page, or a tab's id. */
  front = $state<string>('nodes');
  settingsOpen = $state(false);
  /** Panes that hear what is typed in any of them; null: off. */
  broadcast = $state.raw<ReadonlySet<TerminalId> | null>(null);
  #panes = $state.raw<ReadonlyMap<TerminalId, Pane>>(new Map());
  #settings: () => TerminalSettings = () => {
    throw new Error('the settings are set before the first terminal');
  };

  readonly tab = $derived(this.list.find((tab) => tab.id === this.front) ?? null);
  readonly pane = $derived(this.tab === null ? null : (this.#panes.get(this.tab.current) ?? null));
  readonly panes = $derived([...this.#panes.values()]);
  readonly live = $derived(this.panes.filter((pane) => !isOver(pane.shown)).length);

  settingsFrom(settings: () => TerminalSettings): void {
    this.#settings = settings;
  }

  settings(): TerminalSettings {
    return this.#settings();
  }

  take(view: TerminalStateView): void {
    this.#panes.get(view.id)?.take(view);
  }

  find(id: TerminalId): Pane | undefined {
    return this.#panes.get(id);
  }

  panesOf(tab: Tab): Pane[] {
    return leaves(tab.root).flatMap(({ id }) => this.#panes.get(id) ?? []);
  }

  titleOf(tab: Tab): string {
    return tab.title ?? leaves(tab.root).find(({ id }) => id === tab.current)?.target.nodeName ?? '';
  }

  /** The node's name, numbered where several panes are on the same node. */
  labelOf(pane: Pane): string {
    const same = this.panes.filter(({ target }) => target.nodeId === pane.target.nodeId);
    return same.length === 1 ? pane.target.nodeName : `${pane.target.nodeName} (${same.indexOf(pane) + 1})`;
  }

  toneOf(tab: Tab): Tone {
    const tones = this.panesOf(tab).map((pane) => toneOf(pane.shown));
    return worst.find((tone) => tones.includes(tone)) ?? 'off';
  }

  /** One tab for each node, the last one in front. */
  open(targets: TargetView[]): Pane[] {
    const opened = targets.map((target) => {
      const pane = this.#make(crypto.randomUUID(), target);
      const tab = new Tab(crypto.randomUUID(), leaf(pane.id, target), null);
      this.list = [...this.list, tab];
      this.front = tab.id;
      void pane.start();
      return pane;
    });
    return opened;
  }

  /** The tabs of the last time, ended, with what was on their screens. */
  restore(views: TabView[]): void {
    for (const view of views) for (const { id, target } of leaves(view.root)) this.#make(id, target);
    this.list = views.map((view) => new Tab(view.id, view.root, view.title));
  }

  views(): TabView[] {
    return this.list.map(({ id, title, root }) => ({ id, title, root }));
  }

  show(front: string): void {
    if (front === 'settings') this.settingsOpen = true;
    const known = (pages as readonly string[]).includes(front) || this.list.some((tab) => tab.id === front);
    this.front = known ? front : 'nodes';
    for (const pane of this.tab === null ? [] : this.panesOf(this.tab)) pane.bell = false;
    this.pane?.screen?.focus();
  }

  showPane(id: TerminalId): void {
    const tab = this.list.find(({ root }) => leaves(root).some((pane) => pane.id === id));
    if (tab === undefined) return;
    tab.current = id;
    this.show(tab.id);
  }

  /** The pages and tabs in the order of the strip. */
  order(): string[] {
    return [
      'nodes',
      'tunnels',
      ...this.list.map((tab) => tab.id),
      ...(this.settingsOpen ? ['settings'] : []),
    ];
  }

  step(by: number): void {
    const order = this.order();
    const at = order.indexOf(this.front);
    this.show(order[(at + by + order.length) % order.length] ?? 'nodes');
  }

  move(id: string, to: number): void {
    const moved = this.list.find((tab) => tab.id === id);
    if (moved === undefined) return;
    const rest = this.list.filter((tab) => tab !== moved);
    rest.splice(Math.max(0, Math.min(rest.length, to)), 0, moved);
    this.list = rest;
  }

  close(id: string): void {
    const at = this.order().indexOf(id);
    if (id === 'settings') this.settingsOpen = false;
    const tab = this.list.find((known) => known.id === id);
    if (tab !== undefined) for (const pane of this.panesOf(tab)) this.#drop(pane);
    this.list = this.list.filter((known) => known !== tab);
    if (this.front === id) this.show(this.order()[Math.min(at, this.order().length - 1)] ?? 'nodes');
  }

  closePane(tab: Tab, pane: Pane): void {
    const rest = without(tab.root, pane.id);
    if (rest === null) return this.close(tab.id);
    this.#drop(pane);
    tab.root = rest;
    tab.current = leaves(rest)[0]?.id ?? '';
    this.find(tab.current)?.screen?.focus();
  }

  split(direction: SplitDirection): void {
    const { tab, pane } = this;
    if (tab === null || pane === null) return;
    const added = this.#make(crypto.randomUUID(), pane.target);
    tab.root = split(tab.root, pane.id, direction, leaf(added.id, added.target));
    tab.current = added.id;
    void added.start();
  }

  resize(tab: Tab, at: Split, ratioPercent: number): void {
    tab.root = resized(tab.root, at, ratioPercent);
  }

  nextPane(): void {
    if (this.tab === null) return;
    const all = leaves(this.tab.root);
    const at = all.findIndex(({ id }) => id === this.tab?.current);
    this.tab.current = all[(at + 1) % all.length]?.id ?? this.tab.current;
    this.pane?.screen?.focus();
  }

  typed(pane: Pane, data: string, encoding: InputEncoding): void {
    // A mouse report is about one screen only.
    const shared = this.broadcast?.has(pane.id) === true && encoding === 'utf8' && !data.startsWith('\x1b[<');
    if (!shared) return pane.send(data, encoding);
    for (const id of this.broadcast ?? []) this.#panes.get(id)?.send(data, encoding);
  }

  isInFront(pane: Pane): boolean {
    return this.pane === pane && !document.hidden;
  }

  focused(pane: Pane): void {
    if (this.tab !== null && leaves(this.tab.root).some(({ id }) => id === pane.id))
      this.tab.current = pane.id;
  }

  #make(id: TerminalId, target: TargetView): Pane {
    const pane = new Pane(id, target, this);
    this.#panes = new Map(this.#panes).set(id, pane);
    return pane;
  }

  #drop(pane: Pane): void {
    const panes = new Map(this.#panes);
    panes.delete(pane.id);
    this.#panes = panes;
    if (this.broadcast?.has(pane.id) === true) {
      const rest = new Set(this.broadcast);
      rest.delete(pane.id);
      this.broadcast = rest.size > 1 ? rest : null;
    }
    pane.close();
  }
}

export const tabs = new Tabs();
