/** The tunnels: what is wanted, what is, what moves. */
import {
  attempt,
  call,
  type TunnelId,
  type TunnelLogView,
  type TunnelSpec,
  type TunnelTrafficView,
  type TunnelView,
} from '../backend';
import { notices } from '../lib/notices.svelte';
import { toneOf } from '../lib/tone';
import { added, isStill, noSamples, type Samples } from './traffic';

export interface Group {
  /** Null: the tunnels of no group. */
  name: string | null;
  tunnels: TunnelView[];
  up: number;
}

const up = (tunnel: TunnelView) => toneOf(tunnel.state) === 'good';
const logLimit = 500;
/** How long a connection that came to nothing is told of in the row. */
const warnMs = 60_000;

export class Tunnels {
  all = $state.raw<TunnelView[]>([]);
  filter = $state('');
  /** Groups in the user's order. */
  order = $state.raw<string[]>([]);
  /** The tunnel whose log is open, and its lines. */
  logOf = $state<TunnelId | null>(null);
  log = $state.raw<TunnelLogView[]>([]);
  /** The last line of each tunnel's log, where that was a warning. */
  #warned = $state.raw<ReadonlyMap<TunnelId, TunnelLogView>>(new Map());
  #samples = $state.raw<ReadonlyMap<TunnelId, Samples>>(new Map());
  #still: ReturnType<typeof setTimeout> | null = null;

  readonly running = $derived(
    this.all.filter((tunnel) => tunnel.state.state !== 'stopped' && tunnel.state.state !== 'failed').length,
  );
  readonly rates = $derived.by(() => {
    let received = 0;
    let sent = 0;
    for (const samples of this.#samples.values()) {
      received += samples.received.at(-1) ?? 0;
      sent += samples.sent.at(-1) ?? 0;
    }
    return { received, sent };
  });
  readonly groups = $derived.by<Group[]>(() => {
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ({ spec, nodeName }: TunnelView) => {
      const hay = [
        spec.name,
        spec.group,
        spec.remoteHost,
        nodeName,
        spec.region,
        String(spec.localPort),
        String(spec.remotePort),
      ]
        .join('\n')
        .toLowerCase();
      return words.every((word) => hay.includes(word));
    };
    const names = [...new Set(this.all.map(({ spec }) => spec.group))];
    const rank = (name: string | null) =>
      name === null ? 1e6 : this.order.includes(name) ? this.order.indexOf(name) : 1e5;
    return names
      .sort((a, b) => rank(a) - rank(b) || (a ?? '').localeCompare(b ?? ''))
      .map((name) => {
        const members = this.all.filter(({ spec }) => spec.group === name);
        return { name, tunnels: members.filter(fits), up: members.filter(up).length };
      })
      .filter(({ tunnels }) => tunnels.length > 0);
  });

  takeAll(tunnels: TunnelView[]): void {
    this.all = tunnels;
  }

  take(tunnel: TunnelView): void {
    const known = this.all.some(({ id }) => id === tunnel.id);
    this.all = known ? this.all.map((old) => (old.id === tunnel.id ? tunnel : old)) : [...this.all, tunnel];
  }

  takeTraffic({ atMs, tunnels }: TunnelTrafficView): void {
    const moved = new Map(tunnels.map((traffic) => [traffic.id, traffic]));
    const next = new Map<TunnelId, Samples>();
    for (const id of new Set([...this.#samples.keys(), ...moved.keys()])) {
      const { received, sent } = moved.get(id) ?? { received: 0, sent: 0 };
      const samples = added(this.#samples.get(id) ?? noSamples, atMs, received, sent);
      if (!isStill(samples)) next.set(id, samples);
    }
    this.#samples = next;
    // When nothing moves, nothing is told: the curves then run out by our own clock.
    if (this.#still !== null) clearTimeout(this.#still);
    this.#still =
      next.size === 0 ? null : setTimeout(() => this.takeTraffic({ atMs: atMs + 1000, tunnels: [] }), 1300);
  }

  takeLog(line: TunnelLogView): void {
    if (line.id === this.logOf) this.log = [...this.log, line].slice(-logLimit);
    const warns = line.severity === 'warn' || line.severity === 'bad';
    if (!warns && !this.#warned.has(line.id)) return;
    const warned = new Map(this.#warned);
    warned.delete(line.id);
    if (warns) warned.set(line.id, line);
    this.#warned = warned;
  }

  /** What went wrong a moment ago with a tunnel that is up all the same. */
  warning(id: TunnelId, nowMs: number): string | null {
    const line = this.#warned.get(id);
    return line === undefined || nowMs - line.atMs > warnMs ? null : line.text;
  }

  samples(id: TunnelId): Samples {
    return this.#samples.get(id) ?? noSamples;
  }

  find(id: TunnelId): TunnelView | undefined {
    return this.all.find((tunnel) => tunnel.id === id);
  }

  switch(id: TunnelId, wanted: boolean): void {
    attempt(call.tunnelSwitch(id, wanted));
  }

  switchAll(tunnels: TunnelView[], wanted: boolean): void {
    for (const tunnel of tunnels) if (tunnel.wanted !== wanted) this.switch(tunnel.id, wanted);
  }

  retry(id: TunnelId): void {
    attempt(call.tunnelRetry(id));
  }

  open(id: TunnelId): void {
    attempt(call.tunnelProgram(id));
  }

  /** Takes another local port and starts. */
  usePort({ id, spec }: TunnelView, localPort: number): void {
    attempt(call.tunnelSave(id, { ...spec, localPort }).then(() => call.tunnelSwitch(id, true)));
  }

  move({ id, spec }: TunnelView, group: string | null): void {
    attempt(call.tunnelSave(id, { ...spec, group }));
  }

  remove({ id, spec, wanted }: TunnelView): void {
    const gone = async () => {
      await call.tunnelRemove(id);
      this.all = this.all.filter((tunnel) => tunnel.id !== id);
      notices.say(`Removed ${spec.name}.`, {
        label: 'Undo',
        run: () => attempt(this.#restore(spec, wanted)),
      });
    };
    attempt(gone());
  }

  showLog(id: TunnelId | null): void {
    this.logOf = id;
    this.log = [];
    if (id === null) return;
    attempt(
      call.tunnelLog(id).then((lines) => {
        if (this.logOf === id) this.log = lines;
      }),
    );
  }

  async #restore(spec: TunnelSpec, wanted: boolean): Promise<void> {
    const id = await call.tunnelSave(null, spec);
    if (wanted) await call.tunnelSwitch(id, true);
  }
}

export const tunnels = new Tunnels();
