/** A tunnel's state and addresses in words. */
import type { TunnelSpec, TunnelView } from '../backend';
import { duration, plural } from '../lib/format';
import { nextTry, reconnectWords, startWords } from '../lib/tone';

export interface StateWords {
  main: string;
  /** A second, quieter line. */
  more: string;
}

export function stateWords(tunnel: TunnelView, nowMs: number): StateWords {
  const { state, connections, listening } = tunnel;
  switch (state.state) {
    case 'stopped':
      return { main: 'Stopped', more: '' };
    case 'starting':
      return { main: startWords(state.step), more: onWords(listening) };
    case 'ready':
      return { main: 'Ready, starts on first use', more: onWords(listening) };
    case 'listening': {
      const up = `up ${duration(nowMs - state.sinceMs)}`;
      if (connections > 0) return { main: plural(connections, 'connection'), more: up };
      return { main: `Listening on ${listening[0] ?? ''}`, more: up };
    }
    case 'reconnecting':
      return { main: reconnectWords(state) + nextTry(state, nowMs), more: 'the port stays open' };
    case 'waiting':
      return {
        main: state.error.code === 'signInExpired' ? 'Sign-in expired, waiting' : state.error.message,
        more: 'the port stays open for you',
      };
    case 'failed':
      return { main: state.error.message, more: '' };
  }
}

function onWords(listening: string[]): string {
  const hosts = listening.map((address) => address.slice(0, address.lastIndexOf(':')).replace(/[[\]]/g, ''));
  return hosts.length === 0 ? '' : `listening on ${hosts.join(' and ')}`;
}

/** `via db-jump`, `via any online node of App=shop`. */
export function viaWords({ spec, nodeName }: TunnelView): string {
  if (spec.via.kind === 'tag') {
    const used = nodeName === null ? '' : `, now ${nodeName}`;
    return `any online node of ${spec.via.key}=${spec.via.value}${used}`;
  }
  return nodeName ?? spec.via.nodeId;
}

/** The port in use, which for "any free one" is known only while listening. */
export function localPort({ spec, listening }: TunnelView): number | null {
  const used = Number(listening[0]?.split(':').at(-1));
  if (Number.isInteger(used) && used > 0) return used;
  return spec.localPort === 0 ? null : spec.localPort;
}

export function localAddress(tunnel: TunnelView): string {
  const port = localPort(tunnel);
  const host = tunnel.spec.bind.kind === 'loopback' ? 'localhost' : tunnel.spec.bind.address;
  return `${host}:${port ?? 'any'}`;
}

export function remoteAddress(spec: TunnelSpec, nodeName: string | null): string {
  const node = nodeName ?? (spec.via.kind === 'node' ? spec.via.nodeId : 'the node');
  return `${spec.remoteHost ?? node}:${spec.remotePort}`;
}

const schemes: Record<number, string> = {
  80: 'http',
  443: 'https',
  3000: 'http',
  3306: 'mysql',
  5432: 'postgres',
  5601: 'http',
  5672: 'amqp',
  6379: 'redis',
  8000: 'http',
  8080: 'http',
  8443: 'https',
  9090: 'http',
  9200: 'http',
  27017: 'mongodb',
};

/** What a program would be given to connect; none when the port tells nothing. */
export function connectionString(tunnel: TunnelView): string | null {
  const scheme = schemes[tunnel.spec.remotePort];
  return scheme === undefined || localPort(tunnel) === null ? null : `${scheme}://${localAddress(tunnel)}/`;
}

/** The program that fits: the browser or remote desktop. */
export function programWords({ remotePort }: TunnelSpec): string | null {
  if (remotePort === 3389) return 'Open remote desktop';
  return schemes[remotePort]?.startsWith('http') === true ? 'Open in browser' : null;
}

/** The name of what usually listens on a port, for a tunnel's proposed name. */
export function portName(port: number): string {
  const known: Record<number, string> = {
    22: 'ssh',
    80: 'web',
    443: 'web',
    3306: 'mysql',
    3389: 'desktop',
    5432: 'postgres',
    6379: 'redis',
    8080: 'web',
    9200: 'search',
    27017: 'mongo',
  };
  return known[port] ?? String(port);
}
