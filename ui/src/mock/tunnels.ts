/** Pretend tunnels: they toggle, carry made-up bytes and find ports taken. */
import type {
  PortCheckView,
  TunnelId,
  TunnelLogView,
  TunnelSpec,
  TunnelState,
  TunnelTrafficView,
  TunnelView,
} from '../backend';
import { targetNamed, type Place } from './world';

const taken = new Map([
  [8080, 'java (pid 812)'],
  [5432, 'postgres (pid 1204)'],
]);

interface Hears {
  changed: (view: TunnelView) => void;
  moved: (view: TunnelTrafficView) => void;
  logged: (line: TunnelLogView) => void;
}

export class PretendTunnels {
  readonly all = new Map<TunnelId, TunnelView>();
  readonly #log: TunnelLogView[] = [];
  #next = 0;
  #moved = false;

  constructor(
    private readonly places: Place[],
    private readonly hears: Hears,
    private readonly stepMs: number,
  ) {
    this.#fill();
    setInterval(() => this.#move(), 1000);
  }

  save(id: TunnelId | null, spec: TunnelSpec): TunnelId {
    const known = id === null ? undefined : this.all.get(id);
    this.#next += 1;
    const made = id ?? `tunnel-${this.#next}`;
    this.#set({
      id: made,
      spec,
      wanted: known?.wanted ?? false,
      state: known?.state ?? { state: 'stopped' },
      nodeName: this.#nodeOf(spec),
      listening: [],
      connections: 0,
    });
    return made;
  }

  switch(id: TunnelId, wanted: boolean): void {
    const tunnel = this.all.get(id);
    if (tunnel === undefined) return;
    if (!wanted) return this.#change(id, { state: 'stopped' }, false, []);
    const port = tunnel.spec.localPort || 49_152 + this.#next;
    const check = this.check(port, id);
    if (!check.free) {
      const error = {
        code: 'portTaken' as const,
        message: `Port ${port} on this computer is taken by ${check.holder ?? 'another program'}.`,
        detail: null,
      };
      return this.#change(id, { state: 'failed', error, freePort: check.proposed }, true, []);
    }
    const listening = [`127.0.0.1:${port}`, `[::1]:${port}`];
    this.#change(id, { state: 'starting', step: 'session' }, true, listening);
    setTimeout(
      () =>
        this.#change(
          id,
          tunnel.spec.onDemand ? { state: 'ready' } : { state: 'listening', sinceMs: Date.now() },
          true,
          listening,
        ),
      this.stepMs * 3,
    );
  }

  set(id: TunnelId, state: TunnelState): void {
    const tunnel = this.all.get(id);
    if (tunnel !== undefined) this.#change(id, state, tunnel.wanted, tunnel.listening);
  }

  remove(id: TunnelId): void {
    this.all.delete(id);
  }

  log(id: TunnelId): TunnelLogView[] {
    return this.#log.filter((line) => line.id === id);
  }

  check(port: number, tunnel: TunnelId | null): PortCheckView {
    const own = [...this.all.values()].find(
      ({ id, listening }) => id !== tunnel && listening.some((address) => address.endsWith(`:${port}`)),
    );
    const holder = own?.spec.name ?? taken.get(port) ?? null;
    let proposed = port;
    while (taken.has(proposed) || (own !== undefined && proposed === port)) proposed += 1;
    return { free: holder === null, holder, proposed };
  }

  #change(id: TunnelId, state: TunnelState, wanted: boolean, listening: string[]): void {
    const tunnel = this.all.get(id);
    if (tunnel === undefined) return;
    const connections = state.state === 'listening' ? tunnel.connections : 0;
    this.#set({ ...tunnel, state, wanted, listening, connections });
    const line: TunnelLogView = {
      id,
      atMs: Date.now(),
      severity: state.state === 'failed' ? 'bad' : 'info',
      text: `${tunnel.state.state} → ${state.state}`,
    };
    this.#log.push(line);
    this.hears.logged(line);
  }

  #set(tunnel: TunnelView): void {
    this.all.set(tunnel.id, tunnel);
    this.hears.changed(tunnel);
  }

  #nodeOf(spec: TunnelSpec): string | null {
    const { via } = spec;
    if (via.kind === 'tag') return null;
    return this.places.flatMap(({ nodes }) => nodes).find(({ id }) => id === via.nodeId)?.name ?? null;
  }

  #move(): void {
    const now = Date.now();
    const moving = [...this.all.values()].filter(
      ({ state, connections }) => state.state === 'listening' && connections > 0,
    );
    if (moving.length === 0) return;
    // The first time with a past, so that a picture has a curve.
    const from = this.#moved ? 0 : 45;
    this.#moved = true;
    for (let back = from; back >= 0; back -= 1) {
      const atMs = now - back * 1000;
      const wave = (slow: number, phase: number) =>
        0.3 + 0.5 * Math.abs(Math.sin(atMs / slow + phase)) + 0.4 * Math.abs(Math.sin(atMs / (slow / 3.7)));
      const tunnels = moving.map(({ id }) => ({
        id,
        received: Math.round(wave(9000, id.length) * 900_000),
        sent: Math.round(wave(14_000, id.length) * 40_000),
      }));
      this.hears.moved({ atMs, tunnels });
    }
  }

  #fill(): void {
    const jump = targetNamed(this.places, 'acme-prod', 'db-jump');
    const base = {
      profileId: 'acme-prod',
      region: 'eu-west-1',
      bind: { kind: 'loopback' as const },
      startAtLaunch: false,
      onDemand: false,
      idleStopMinutes: null,
      lanes: 1,
    };
    const through = { kind: 'node' as const, nodeId: jump.nodeId };
    const win = targetNamed(this.places, 'acme-dev', 'win-ad-1');
    const specs: TunnelSpec[] = [
      {
        ...base,
        name: 'orders-db',
        group: 'Shop',
        via: through,
        remoteHost: 'orders.cluster-c1.eu-west-1.rds.amazonaws.com',
        remotePort: 5432,
        localPort: 15432,
      },
      {
        ...base,
        name: 'search',
        group: 'Shop',
        via: { kind: 'tag', key: 'App', value: 'shop' },
        remoteHost: 'vpc-shop-search.eu-west-1.es.amazonaws.com',
        remotePort: 443,
        localPort: 9200,
        onDemand: true,
      },
      {
        ...base,
        name: 'redis',
        group: 'Shop',
        via: through,
        remoteHost: 'shop.cache.amazonaws.com',
        remotePort: 6379,
        localPort: 6379,
      },
      {
        ...base,
        name: 'win-ad-1 desktop',
        group: 'Office',
        profileId: 'acme-dev',
        region: win.region,
        via: { kind: 'node', nodeId: win.nodeId },
        remoteHost: null,
        remotePort: 3389,
        localPort: 33890,
      },
      {
        ...base,
        name: 'wiki',
        group: 'Office',
        via: through,
        remoteHost: '192.168.4.20',
        remotePort: 80,
        localPort: 8080,
      },
      {
        ...base,
        name: 'metrics',
        group: null,
        via: through,
        remoteHost: 'prometheus.internal',
        remotePort: 9090,
        localPort: 9090,
      },
    ];
    const ids = specs.map((spec) => this.save(null, spec));
    const [orders, search, , desktop, wiki, metrics] = ids;
    const put = (id: string | undefined, change: Partial<TunnelView>) => {
      const tunnel = id === undefined ? undefined : this.all.get(id);
      if (tunnel !== undefined) this.all.set(tunnel.id, { ...tunnel, ...change });
    };
    const on = (port: number) => [`127.0.0.1:${port}`, `[::1]:${port}`];
    const now = Date.now();
    put(orders, {
      wanted: true,
      connections: 2,
      listening: on(15432),
      state: { state: 'listening', sinceMs: now - 11_520_000 },
    });
    put(search, { wanted: true, listening: on(9200), state: { state: 'ready' } });
    put(desktop, {
      wanted: true,
      listening: on(33890),
      state: {
        state: 'waiting',
        error: {
          code: 'signInExpired',
          message: 'acme-dev: your IAM Identity Center sign-in has expired.',
          detail: null,
        },
      },
    });
    put(wiki, {
      state: {
        state: 'failed',
        freePort: 8081,
        error: {
          code: 'portTaken',
          message: 'Port 8080 on this computer is taken by java (pid 812).',
          detail: null,
        },
      },
    });
    put(metrics, {
      wanted: true,
      connections: 1,
      listening: on(9090),
      state: { state: 'reconnecting', attempt: 2, retryMs: now + 8000, cause: 'Network changed' },
    });
  }
}
