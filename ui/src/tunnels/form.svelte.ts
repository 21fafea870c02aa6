/** The form that adds or changes a tunnel: asks only for what can't be guessed. */
import {
  asAppError,
  call,
  type AppError,
  type PortCheckView,
  type ProfileId,
  type TargetView,
  type TunnelBind,
  type TunnelId,
  type TunnelSpec,
  type TunnelVia,
  type TunnelView,
} from '../backend';
import { portName } from './words';

export class TunnelForm {
  readonly id: TunnelId | null;
  kind = $state<TunnelVia['kind']>('node');
  target = $state.raw<TargetView | null>(null);
  tag = $state('');
  profileId = $state<ProfileId>('');
  region = $state('');
  remoteHost = $state('');
  remotePort = $state('');
  localPort = $state('');
  name = $state('');
  group = $state('');
  address = $state('');
  startAtLaunch = $state(false);
  onDemand = $state(false);
  idleStop = $state('');
  lanes = $state('1');
  port = $state.raw<PortCheckView | null>(null);
  error = $state.raw<AppError | null>(null);
  saving = $state(false);
  /** Problems are named only after a first try to save. */
  tried = $state(false);
  #asked = 0;

  readonly remote = $derived(portOf(this.remotePort));
  readonly local = $derived(this.localPort.trim() === '' ? null : portOf(this.localPort));
  readonly proposedName = $derived.by(() => {
    if (this.remoteHost.trim() !== '') return this.remoteHost.trim().split('.')[0] ?? '';
    const node = this.kind === 'node' ? this.target?.nodeName : this.tag.split('=').at(-1);
    return node === undefined || node === '' || this.remote === null
      ? ''
      : `${node} ${portName(this.remote)}`;
  });
  readonly problems = $derived({
    node: this.kind === 'node' && this.target === null ? 'Choose the node to go through.' : '',
    tag: this.kind === 'tag' && !/^[^=]+=.+$/.test(this.tag.trim()) ? 'Write a tag as Key=value.' : '',
    region:
      this.kind === 'tag' && (this.profileId === '' || this.region === '')
        ? 'Choose the account and region.'
        : '',
    remotePort: this.remote === null ? 'A number from 1 to 65 535.' : '',
    localPort:
      this.localPort.trim() !== '' && this.local === null ? 'A number from 1 to 65 535, or empty.' : '',
    idleStop: this.idleStop.trim() !== '' && portOf(this.idleStop) === null ? 'Minutes, or empty.' : '',
    lanes: lanesOf(this.lanes) === null ? 'A number from 1 to 16.' : '',
  });
  readonly complete = $derived(Object.values(this.problems).every((problem) => problem === ''));
  readonly bind = $derived<TunnelBind>(
    this.address.trim() === '' ? { kind: 'loopback' } : { kind: 'address', address: this.address.trim() },
  );

  constructor(id: TunnelId | null) {
    this.id = id;
  }

  /** For a node, nothing else known. */
  static through(target: TargetView | null): TunnelForm {
    const form = new TunnelForm(null);
    form.target = target;
    return form;
  }

  /** Of a tunnel: to change it, or as a new one like it. */
  static of({ id, spec, nodeName }: TunnelView, copy: boolean): TunnelForm {
    const form = new TunnelForm(copy ? null : id);
    const { via, profileId, region } = spec;
    form.kind = via.kind;
    if (via.kind === 'node')
      form.target = { profileId, region, nodeId: via.nodeId, nodeName: nodeName ?? via.nodeId };
    else form.tag = `${via.key}=${via.value}`;
    form.profileId = profileId;
    form.region = region;
    form.remoteHost = spec.remoteHost ?? '';
    form.remotePort = String(spec.remotePort);
    form.localPort = copy || spec.localPort === 0 ? '' : String(spec.localPort);
    form.name = copy ? `${spec.name} copy` : spec.name;
    form.group = spec.group ?? '';
    form.address = spec.bind.kind === 'address' ? spec.bind.address : '';
    form.startAtLaunch = spec.startAtLaunch;
    form.onDemand = spec.onDemand;
    form.idleStop = spec.idleStopMinutes === null ? '' : String(spec.idleStopMinutes);
    form.lanes = String(spec.lanes);
    return form;
  }

  /** Asks whether the local port is free; without one, which is near the remote port. */
  async checkPort(): Promise<void> {
    const wanted = this.local ?? (this.remote === null ? null : unprivileged(this.remote));
    this.#asked += 1;
    const asked = this.#asked;
    if (wanted === null) {
      this.port = null;
      return;
    }
    const answer = await call.portCheck(wanted, this.bind, this.id).catch(() => null);
    if (asked === this.#asked) this.port = answer;
  }

  spec(): TunnelSpec {
    const [key = '', ...value] = this.tag.trim().split('=');
    const via: TunnelVia =
      this.kind === 'node'
        ? { kind: 'node', nodeId: this.target?.nodeId ?? '' }
        : { kind: 'tag', key, value: value.join('=') };
    const from = this.kind === 'node' && this.target !== null ? this.target : this;
    return {
      name: this.name.trim() || this.proposedName,
      group: this.group.trim() || null,
      profileId: from.profileId,
      region: from.region,
      via,
      remoteHost: this.remoteHost.trim() || null,
      remotePort: this.remote ?? 0,
      localPort: this.local ?? this.port?.proposed ?? 0,
      bind: this.bind,
      startAtLaunch: this.startAtLaunch,
      onDemand: this.onDemand,
      idleStopMinutes: this.onDemand ? portOf(this.idleStop) : null,
      lanes: lanesOf(this.lanes) ?? 1,
    };
  }

  /** Saves, and starts a new tunnel. Says whether it is done. */
  async save(start: boolean): Promise<boolean> {
    this.tried = true;
    if (!this.complete || this.saving) return false;
    this.saving = true;
    this.error = null;
    try {
      const id = await call.tunnelSave(this.id, this.spec());
      if (start) await call.tunnelSwitch(id, true);
      return true;
    } catch (thrown) {
      this.error = asAppError(thrown);
      return false;
    } finally {
      this.saving = false;
    }
  }
}

class Open {
  /** The form on screen. */
  form = $state.raw<TunnelForm | null>(null);
}

export const openForm = new Open();

function portOf(text: string): number | null {
  const port = Number(text.trim());
  return /^\d+$/.test(text.trim()) && port >= 1 && port <= 65_535 ? port : null;
}

/** Empty: one. */
function lanesOf(text: string): number | null {
  const lanes = text.trim() === '' ? 1 : portOf(text);
  return lanes !== null && lanes <= 16 ? lanes : null;
}

/** Low ports need rights: 80 becomes 8080, 443 becomes 8443, 22 becomes 10022. */
function unprivileged(port: number): number {
  if (port >= 1024) return port;
  return port === 80 || port === 443 ? port + 8000 : port + 10_000;
}
