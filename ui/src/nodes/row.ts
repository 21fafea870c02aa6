/** A node as the table holds it: with what filtering and sorting need worked out once. */
import type { InventoryView, NodeView, ProfileId, TargetView } from '../backend';

export interface NodeRow {
  /** Unique among all accounts and regions. */
  key: string;
  node: NodeView;
  profileId: ProfileId;
  region: string;
  /** Everything plain words look in, lower case. */
  hay: string;
  agent: number[];
  /** Tags in lower case. */
  tags: [key: string, value: string][];
}

function rowKey(profileId: ProfileId, region: string, nodeId: string): string {
  return `${profileId}/${region}/${nodeId}`;
}

export function keyOf(target: TargetView): string {
  return rowKey(target.profileId, target.region, target.nodeId);
}

export function rowOf(
  node: NodeView,
  { profileId, region }: Pick<InventoryView, 'profileId' | 'region'>,
): NodeRow {
  const tags = Object.entries(node.tags);
  const parts = [
    node.name,
    node.id,
    node.privateIp,
    node.publicIp,
    node.zone,
    node.platform,
    node.platformName,
    node.instanceType,
    node.vpcId,
    node.role,
  ];
  const words = [...parts.filter((part) => part !== null), ...tags.map(([key, value]) => `${key}=${value}`)];
  return {
    key: rowKey(profileId, region, node.id),
    node,
    profileId,
    region,
    // A line break between the parts keeps a word from matching across two of them.
    hay: words.join('\n').toLowerCase(),
    agent: versionOf(node.agentVersion),
    tags: tags.map(([key, value]) => [key.toLowerCase(), value.toLowerCase()]),
  };
}

export function targetOf(row: NodeRow): TargetView {
  return { profileId: row.profileId, region: row.region, nodeId: row.node.id, nodeName: row.node.name };
}

export function versionOf(text: string): number[] {
  return text === '' ? [] : text.split('.').map((part) => Number.parseInt(part, 10) || 0);
}

/** Missing parts count as zero. */
export function compareVersions(a: number[], b: number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
