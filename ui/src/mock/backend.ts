/** A backend without the app: for the browser, for pictures and for tests. Never in a real build. */
import type {
  Backend,
  Commands,
  EventName,
  EventValue,
  ScopeView,
  SnapshotView,
  TargetView,
} from '../backend';
import { AppFailure } from '../failure';
import { defaults } from './defaults';
import { PretendTerminals } from './terminals';
import { PretendTunnels } from './tunnels';
import { accounts, places, targetNamed } from './world';

type Heard = { [E in EventName]?: ((value: EventValue<E>) => void)[] };

/** Options: `nodes=10000`, `own` (not a sandbox), `theme=dark`, `slow`, `empty`. */
export function pretend(options: URLSearchParams): Backend {
  const now = Date.now();
  const stepMs = options.has('slow') ? 1500 : 60;
  const profiles = accounts(options.has('own'), now);
  const world = places(profiles, Number(options.get('nodes') ?? 200), now);
  for (const profile of profiles) {
    for (const region of profile.regions) {
      region.nodes =
        world.find((place) => place.profileId === profile.id && place.region === region.name)?.nodes.length ??
        0;
    }
  }
  const heard: Heard = {};
  const emit = <E extends EventName>(name: E, value: EventValue<E>) =>
    heard[name]?.forEach((hear) => hear(value));
  const nodeOf = (target: TargetView) =>
    world
      .find(({ profileId, region }) => profileId === target.profileId && region === target.region)
      ?.nodes.find(({ id }) => id === target.nodeId);
  const terminals = new PretendTerminals(
    (view) => emit('terminalStateEvent', view),
    (target) => nodeOf(target)?.ping === 'online',
    stepMs,
  );
  const tunnels = new PretendTunnels(
    world,
    {
      changed: (view) => emit('tunnelEvent', view),
      moved: (view) => emit('tunnelTrafficEvent', view),
      logged: (line) => emit('tunnelLogEvent', line),
    },
    stepMs,
  );
  let { bookmarks, settings, workspace } = defaults(options, targetNamed(world, 'acme-prod', 'db-jump'));
  let clipboard = '';

  const page = {
    userCode: 'QKJM-DVTZ',
    url: 'https://device.sso.eu-west-1.amazonaws.com/',
    expiresMs: Date.now() + 600_000,
  };
  let newSignIn: SnapshotView['profiles']['newSignIn'] = null;
  const profilesView = () => ({ profiles: structuredClone(profiles), problem: null, newSignIn });
  const tellProfiles = () => emit('profilesEvent', profilesView());
  const find = (id: string) => {
    const profile = profiles.find((known) => known.id === id);
    if (profile === undefined)
      throw new AppFailure({ code: 'notFound', message: `There is no account ${id}.`, detail: null });
    return profile;
  };
  const inventories = ({ profileId, region }: ScopeView) =>
    world
      .filter(
        (place) =>
          (profileId === null || place.profileId === profileId) &&
          (region === null || place.region === region),
      )
      .map((place) => {
        const signedOut = find(place.profileId).signIn.state !== 'ready';
        return {
          profileId: place.profileId,
          region: place.region,
          state: { state: 'ready' as const },
          readMs: now - 40_000,
          whole: true,
          nodes: options.has('empty') || signedOut ? [] : place.nodes,
          gone: [],
        };
      });

  const answers: Commands = {
    snapshot: () =>
      soon<SnapshotView>({
        version: '0.1.0',
        platform: 'linux',
        profiles: profilesView(),
        inventories: inventories(workspace.scope),
        bookmarks,
        tunnels: [...tunnels.all.values()],
        settings,
        workspace,
        notices: [],
      }),
    signIn: (id) => {
      const profile = find(id);
      profile.signIn = { state: 'asking', ...page };
      tellProfiles();
      setTimeout(() => {
        if (profile.signIn.state !== 'asking') return;
        profile.signIn = { state: 'ready', expiresMs: Date.now() + 8 * 3_600_000 };
        tellProfiles();
        for (const inventory of inventories({ profileId: id, region: null }))
          emit('inventoryEvent', inventory);
      }, stepMs * 50);
      return soon(null);
    },
    signInCancel: (id) => {
      find(id).signIn = { state: 'needed' };
      tellProfiles();
      return soon(null);
    },
    profileChange: (id, change) => {
      const profile = find(id);
      const regions = change.regions.map((region) => ({
        ...region,
        nodes: profile.regions.find(({ name }) => name === region.name)?.nodes ?? 0,
      }));
      Object.assign(profile, { ...change, regions });
      tellProfiles();
      return soon(null);
    },
    accountAdd: (request) => {
      if (request.kind === 'accessKeys')
        return fail({
          code: 'keyringUnavailable',
          message: 'The keys could not be kept: the system keyring is locked.',
          detail: 'org.freedesktop.Secret.Error.IsLocked',
        });
      if (request.kind === 'configFile') return soon(null);
      newSignIn = page;
      tellProfiles();
      return new Promise((resolve) => {
        const confirmed = () => {
          const id = newSignIn === null ? null : 'acme-prod';
          newSignIn = null;
          tellProfiles();
          resolve(id);
        };
        setTimeout(confirmed, stepMs * 50);
      });
    },
    accountAddCancel: () => {
      newSignIn = null;
      tellProfiles();
      return soon(null);
    },
    scopeOpen: (scope) => soon(inventories(scope)),
    scopeRefresh: (scope) => {
      for (const inventory of inventories(scope)) {
        emit('inventoryEvent', { ...inventory, state: { state: 'reading' }, whole: false, nodes: [] });
        setTimeout(() => emit('inventoryEvent', { ...inventory, readMs: Date.now() }), stepMs * 8);
      }
      return soon(null);
    },
    nodeDiagnose: (target) =>
      soon({
        summary: `The agent on ${target.nodeName} stopped pinging; the instance itself is running.`,
        checks: [
          {
            title: 'The instance is running',
            outcome: 'good',
            found: 'EC2 says running, both status checks passed.',
            advice: null,
          },
          {
            title: 'The agent pings Systems Manager',
            outcome: 'bad',
            found: 'Last ping 3 h ago.',
            advice: 'Restart amazon-ssm-agent from the serial console.',
          },
          {
            title: 'The instance role allows it',
            outcome: 'good',
            found: 'AmazonSSMManagedInstanceCore is attached.',
            advice: null,
          },
          {
            title: 'The subnet reaches the service',
            outcome: 'unknown',
            found: 'You may not read the route tables.',
            advice: null,
          },
        ],
      }),
    nodeSessions: () =>
      soon([
        { sessionId: 's-1', owner: 'dev', mine: true, startedMs: now - 3_600_000, endedMs: now - 2_280_000 },
        {
          sessionId: 's-2',
          owner: 'maria',
          mine: false,
          startedMs: now - 62_000_000,
          endedMs: now - 61_820_000,
        },
      ]),
    nodeRun: (target, command) =>
      nodeOf(target)?.ping === 'online'
        ? later(
            {
              exitCode: command.startsWith('false') ? 1 : 0,
              stdout: ` 09:14:02 up 1 day,  5:03,  0 users,  load average: 0.08, 0.03, 0.01\n`,
              stderr: '',
              cut: false,
              tookMs: 840,
            },
            stepMs * 8,
          )
        : fail({
            code: 'nodeNotConnected',
            message: `${target.nodeName} is not connected (TargetNotConnected).`,
            detail: null,
          }),
    terminalOpen: (id, target, _size, output) => {
      terminals.open(id, target, output);
      return soon(null);
    },
    terminalWrite: (id, data) => done(() => terminals.write(id, data)),
    terminalResize: () => soon(null),
    terminalAck: (id, bytes) => done(() => terminals.acknowledge(id, bytes)),
    terminalRetry: (id) => done(() => terminals.retry(id)),
    terminalClose: (id) => done(() => terminals.close(id)),
    scrollbackSave: (id, text) => done(() => terminals.scrollback.set(id, text)),
    scrollbackLoad: (id) => soon(terminals.scrollback.get(id) ?? ''),
    tunnelSave: (id, spec) => soon(tunnels.save(id, spec)),
    tunnelRemove: (id) => done(() => tunnels.remove(id)),
    tunnelSwitch: (id, wanted) => done(() => tunnels.switch(id, wanted)),
    tunnelRetry: (id) => done(() => tunnels.switch(id, true)),
    tunnelProgram: () => soon(null),
    tunnelLog: (id) => soon(tunnels.log(id)),
    portCheck: (port, _bind, tunnel) => soon(tunnels.check(port, tunnel)),
    bookmarksSave: (view) => done(() => (bookmarks = view)),
    settingsSave: (view) => done(() => (settings = view)),
    settingsReveal: () => soon(null),
    workspaceSave: (view) => done(() => (workspace = view)),
    noticeClose: () => soon(null),
    clipboardRead: () => soon(clipboard),
    clipboardWrite: (text) => done(() => (clipboard = text)),
    urlOpen: () => soon(null),
    textSave: (name) => soon(`/home/dev/${name}`),
    titleSet: (title) => done(() => (document.title = title)),
    quit: () => soon(null),
  };
  Object.assign(globalThis, {
    pretend: {
      terminals,
      tunnels,
      emit,
      profiles,
      tellProfiles,
      setClipboard: (text: string) => (clipboard = text),
    },
  });
  return {
    commands: answers,
    listen: (name, hear) => {
      const list = (heard[name] ?? []) as ((value: EventValue<typeof name>) => void)[];
      Object.assign(heard, { [name]: [...list, hear] });
      return soon(() => undefined);
    },
  };
}

const soon = <T>(value: T): Promise<T> => Promise.resolve(value);
const later = <T>(value: T, ms: number): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));
const fail = (error: AppFailure['error']): Promise<never> => Promise.reject(new AppFailure(error));
function done(work: () => unknown): Promise<null> {
  work();
  return soon(null);
}
