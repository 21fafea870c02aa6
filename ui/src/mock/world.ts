/** The made-up accounts, regions and nodes of the pretend backend. The same at every start. */
import type { NodePlatform, NodeView, ProfileView, TargetView } from '../backend';

/** A small generator of even numbers below 1, seeded. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export interface Place {
  profileId: string;
  region: string;
  nodes: NodeView[];
}

const minute = 60_000;
const regions = ['eu-west-1', 'us-east-1', 'eu-central-1', 'ap-southeast-2'];
const available = [...regions, 'eu-north-1', 'us-west-2', 'ca-central-1', 'ap-northeast-1', 'sa-east-1'];

export function accounts(own: boolean, now: number): ProfileView[] {
  const kind = own ? 'sso' : 'sandbox';
  const group = own ? 'acme' : 'Sandbox';
  const account = (
    id: string,
    label: string,
    colour: ProfileView['colour'],
    accountId: string,
    used: [string, boolean][],
    signIn: ProfileView['signIn'],
  ): ProfileView => ({
    id,
    name: id,
    label,
    colour,
    kind,
    group,
    accountId,
    principal: 'dev@acme.example',
    signIn,
    regions: used.map(([name, favourite]) => ({ name, favourite, nodes: null })),
    availableRegions: available,
    hidden: false,
  });
  const ready = own
    ? { state: 'ready' as const, expiresMs: now + 42 * minute }
    : { state: 'ready' as const, expiresMs: null };
  const needed = own ? { state: 'needed' as const } : ready;
  return [
    account(
      'acme-prod',
      'acme-prod',
      'red',
      '111122223333',
      [
        ['eu-west-1', true],
        ['us-east-1', false],
      ],
      ready,
    ),
    account(
      'acme-dev',
      'acme-dev',
      'blue',
      '444455556666',
      [
        ['eu-west-1', false],
        ['eu-central-1', false],
      ],
      needed,
    ),
    account('playground', 'playground', 'violet', '777788889999', [['ap-southeast-2', false]], ready),
  ];
}

const roles: [name: string, count: number, app: string, platform: NodePlatform][] = [
  ['web', 22, 'shop', 'linux'],
  ['api', 16, 'shop', 'linux'],
  ['orders', 8, 'shop', 'linux'],
  ['batch', 10, 'reports', 'linux'],
  ['search', 6, 'search', 'linux'],
  ['cache', 4, 'shop', 'linux'],
  ['db-jump', 1, 'ops', 'linux'],
  ['win-ad', 3, 'office', 'windows'],
  ['build', 5, 'ci', 'linux'],
];

const share: Record<string, number> = {
  'acme-prod/eu-west-1': 0.44,
  'acme-prod/us-east-1': 0.22,
  'acme-dev/eu-west-1': 0.16,
  'acme-dev/eu-central-1': 0.08,
  'playground/ap-southeast-2': 0.1,
};

export function places(profiles: ProfileView[], total: number, now: number): Place[] {
  const random = chance(7);
  return profiles.flatMap((profile) =>
    profile.regions.map((region) => {
      const wanted = Math.round(total * (share[`${profile.id}/${region.name}`] ?? 0.1));
      const nodes = Array.from({ length: wanted }, (_, i) => makeNode(profile, region.name, i, random, now));
      return { profileId: profile.id, region: region.name, nodes };
    }),
  );
}

function makeNode(
  profile: ProfileView,
  region: string,
  index: number,
  random: () => number,
  now: number,
): NodeView {
  const sum = roles.reduce((all, [, count]) => all + count, 0);
  // A stride that meets every role keeps small regions mixed.
  let at = (index * 7) % sum;
  const lap = Math.floor(index / sum);
  const role = roles.find(([, count]) => (at -= count) < 0) ?? roles[0];
  const [base, , app, platform] = role ?? ['node', 1, 'app', 'linux'];
  const number = at + (role?.[1] ?? 1) + 1 + lap * (role?.[1] ?? 1);
  const hybrid = base === 'build' && number % 2 === 0;
  const id = hex(random, hybrid ? 'mi-' : 'i-');
  const luck = random();
  const ping =
    luck < 0.92 ? 'online' : luck < 0.97 ? 'connectionLost' : luck < 0.985 ? 'inactive' : 'unmanaged';
  const env =
    profile.id === 'acme-prod'
      ? 'prod'
      : profile.id === 'acme-dev'
        ? index % 3 === 0
          ? 'test'
          : 'dev'
        : 'play';
  const old = random() < 0.08;
  const version = old ? '3.1.1080.0' : random() < 0.12 ? '3.3.987.0' : '3.3.1142.0';
  const stopped = ping === 'inactive';
  const second = 4 + Math.floor(index / 200);
  const oses =
    platform === 'windows'
      ? 'Microsoft Windows Server 2022'
      : index % 4 === 0
        ? 'Ubuntu 24.04'
        : 'Amazon Linux 2023';
  return {
    id,
    name: base === 'db-jump' && lap === 0 ? 'db-jump' : `${base}-${number}`,
    ping,
    lastPingMs:
      ping === 'online'
        ? now - Math.floor(random() * 4 * minute)
        : ping === 'unmanaged'
          ? null
          : now - Math.floor((1 + random() * 30) * 60) * minute,
    privateIp: hybrid ? `192.168.4.${10 + (index % 240)}` : `10.0.${second}.${10 + (index % 240)}`,
    publicIp: base === 'web' && index % 5 === 0 ? `203.0.113.${1 + (index % 250)}` : null,
    zone: hybrid ? null : `${region}${'abc'[index % 3] ?? 'a'}`,
    platform,
    platformName: oses,
    agentVersion: ping === 'unmanaged' ? '' : version,
    agentLatest: !old,
    instanceType: hybrid ? null : (['t3.medium', 'm7g.large', 'c7g.xlarge'][index % 3] ?? null),
    instanceState: hybrid ? null : stopped ? 'stopped' : 'running',
    vpcId: hybrid ? null : `vpc-0${profile.accountId?.slice(0, 8) ?? ''}`,
    subnetId: hybrid ? null : `subnet-0${(index % 3) + 1}a7c`,
    role: hybrid ? 'hybrid-activation' : `${app}-instance`,
    arn: `arn:aws:${hybrid ? 'ssm' : 'ec2'}:${region}:${profile.accountId ?? ''}:${hybrid ? 'managed-instance' : 'instance'}/${id}`,
    tags: {
      Env: env,
      App: app,
      Team: app === 'office' ? 'it' : 'core',
      ...(index % 4 === 0 ? { Patch: 'auto' } : {}),
    },
  };
}

function hex(random: () => number, prefix: string): string {
  let digits = '0';
  while (digits.length < 17) digits += Math.floor(random() * 16).toString(16);
  return prefix + digits;
}

export function targetNamed(all: Place[], profileId: string, name: string): TargetView {
  for (const place of all) {
    const node = place.profileId === profileId ? place.nodes.find((known) => known.name === name) : undefined;
    if (node !== undefined) return { profileId, region: place.region, nodeId: node.id, nodeName: node.name };
  }
  throw new Error(`no node ${name} in ${profileId}`);
}
