/** The nodes in scope: what is known, what is shown, what is picked. */
import {
  attempt,
  call,
  type ColumnView,
  type InventoryState,
  type InventoryView,
  type ProfileId,
  type ScopeView,
  type SortView,
  type TargetView,
} from '../backend';
import type { AccountLook } from '../lib/account';
import { defaultColumns, sorted } from './columns';
import { Values } from './completion';
import { compile, looksForUnmanaged, parse } from './filter';
import { Haystack } from './haystack';
import { keyOf, rowOf, targetOf, type NodeRow } from './row';

interface Region {
  profileId: ProfileId;
  region: string;
  state: InventoryState;
  readMs: number | null;
  rows: Map<string, NodeRow>;
}

const isManaged = (row: NodeRow) => row.node.ping !== 'unmanaged';

/** While a reading runs, the table is built again at most this often. */
const rebuildMs = 120;

export class Nodes {
  scope = $state.raw<ScopeView>({ profileId: null, region: null });
  /** Finished `key:value` terms of the filter. */
  chips = $state.raw<string[]>([]);
  /** The rest of the filter, as being typed. */
  typed = $state('');
  sort = $state.raw<SortView>({ column: 'name', descending: false });
  columns = $state.raw<ColumnView[]>(defaultColumns);
  drawerOpen = $state(true);
  /** The row with the keyboard. */
  cursor = $state<string | null>(null);
  picked = $state.raw<ReadonlySet<string>>(new Set());
  #looks = $state.raw<(id: ProfileId) => AccountLook>((id) => ({ label: id, colour: 'grey' }));
  #all = $state.raw<NodeRow[]>([]);
  #regions = $state.raw<Region[]>([]);

  readonly #known = new Map<string, Region>();
  /** For each answer that is under way, the batches that came meanwhile. */
  readonly #answers = new Set<InventoryView[]>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** The whole filter as text. */
  readonly filter = $derived([...this.chips, this.typed].join(' ').trim());
  readonly #sorted = $derived(
    sorted(this.#all, this.sort.column, this.sort.descending, (id) => this.#looks(id).label),
  );
  readonly #haystack = $derived(new Haystack(this.#sorted));
  readonly #query = $derived(compile(this.filter, (id) => `${this.#looks(id).label}\n${id}`.toLowerCase()));
  readonly #looksForUnmanaged = $derived(looksForUnmanaged(this.filter));
  readonly #managed = $derived(this.#sorted.filter(isManaged));
  /** The rows of the table. */
  readonly rows = $derived.by(() => {
    if (this.filter === '') return this.#managed;
    const fitting = this.#haystack.fitting(this.#query);
    return this.#looksForUnmanaged ? fitting : fitting.filter(isManaged);
  });
  readonly values = $derived(new Values(this.#all, (id) => this.#looks(id).label));
  readonly total = $derived(this.#looksForUnmanaged ? this.#sorted.length : this.#managed.length);
  /** Instances that Systems Manager does not know and the filter does not look for. */
  readonly leftOut = $derived(this.#sorted.length - this.total);
  readonly reading = $derived(this.#regions.some(({ state }) => state.state === 'reading'));
  readonly readMs = $derived(
    this.#regions.reduce<number | null>((oldest, { readMs }) => {
      if (readMs === null) return oldest;
      return oldest === null ? readMs : Math.min(oldest, readMs);
    }, null),
  );
  /** Regions that could not be read, for the strip above the table. */
  readonly failures = $derived(
    this.#regions.flatMap(({ profileId, region, state }) =>
      state.state === 'failed' ? [{ profileId, region, error: state.error }] : [],
    ),
  );
  /** In the order of the table; what the filter hides is not acted upon. */
  readonly pickedRows = $derived(
    this.picked.size === 0 ? [] : this.rows.filter((row) => this.picked.has(row.key)),
  );
  /** The row with the keyboard; the first until another is chosen. */
  readonly front = $derived(
    (this.cursor === null ? undefined : this.rows.find((row) => row.key === this.cursor)) ??
      this.rows[0] ??
      null,
  );

  /** How accounts are called; `account:` and the account column need it. */
  named(looks: (id: ProfileId) => AccountLook): void {
    this.#looks = looks;
  }

  look(scope: ScopeView): void {
    this.scope = scope;
    this.cursor = null;
    this.picked = new Set();
    this.#rebuild();
    this.open();
  }

  /** Has the scope read. What was known before is answered, and may come after what was read since. */
  open(): void {
    const since: InventoryView[] = [];
    this.#answers.add(since);
    attempt(
      call
        .scopeOpen(this.scope)
        .then((known) => this.takeAll([...known, ...since]))
        .finally(() => this.#answers.delete(since)),
    );
  }

  refresh(): void {
    attempt(call.scopeRefresh(this.scope));
  }

  takeAll(inventories: InventoryView[]): void {
    for (const inventory of inventories) this.#merge(inventory);
    this.#rebuild();
  }

  /** One batch of one region. */
  take(inventory: InventoryView): void {
    for (const since of this.#answers) since.push(inventory);
    this.#merge(inventory);
    if (inventory.state.state !== 'reading') this.#rebuild();
    else this.#timer ??= setTimeout(() => this.#rebuild(), rebuildMs);
  }

  find(target: TargetView): NodeRow | undefined {
    return this.#known.get(`${target.profileId}/${target.region}`)?.rows.get(target.nodeId);
  }

  /** Every node known, of all scopes looked at so far. */
  everyRow(): NodeRow[] {
    return [...this.#known.values()].flatMap((region) => [...region.rows.values()]).filter(isManaged);
  }

  /** The picked rows, else the one with the keyboard. */
  chosen(): TargetView[] {
    const rows = this.pickedRows.length > 0 ? this.pickedRows : this.front === null ? [] : [this.front];
    return rows.map(targetOf);
  }

  setFilter(text: string): void {
    const terms = parse(text);
    this.chips = terms.filter((term) => term.key !== null).map((term) => term.text);
    this.typed = terms
      .filter((term) => term.key === null)
      .map((term) => term.text)
      .join(' ');
  }

  toggleSort(column: string): void {
    const again = this.sort.column === column;
    this.sort = { column, descending: again && !this.sort.descending };
  }

  pick(keys: Iterable<string>): void {
    this.picked = new Set(keys);
  }

  /** Puts the keyboard on a node and clears a filter that would hide it. */
  show(target: TargetView): void {
    const key = keyOf(target);
    if (!this.rows.some((row) => row.key === key)) {
      const row = this.find(target);
      this.setFilter(row === undefined || isManaged(row) ? '' : `id:${target.nodeId}`);
    }
    this.cursor = key;
    this.picked = new Set();
  }

  #merge(inventory: InventoryView): void {
    const id = `${inventory.profileId}/${inventory.region}`;
    const before = this.#known.get(id);
    const rows = inventory.whole || before === undefined ? new Map<string, NodeRow>() : before.rows;
    for (const node of inventory.nodes) rows.set(node.id, rowOf(node, inventory));
    for (const gone of inventory.gone) rows.delete(gone);
    const { profileId, region, state } = inventory;
    this.#known.set(id, {
      profileId,
      region,
      state,
      readMs: inventory.readMs ?? before?.readMs ?? null,
      rows,
    });
  }

  #rebuild(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { profileId, region } = this.scope;
    this.#regions = [...this.#known.values()].filter(
      (known) =>
        (profileId === null || known.profileId === profileId) && (region === null || known.region === region),
    );
    this.#all = this.#regions.flatMap((known) => [...known.rows.values()]);
  }
}

export const nodes = new Nodes();
