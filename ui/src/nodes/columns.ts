/** The columns a node can show. */
import type { ColumnView, ProfileId } from '../backend';
import type { NodeRow } from './row';

export interface Column {
  id: string;
  title: string;
  /** Pixels. */
  width: number;
  mono: boolean;
  text: (row: NodeRow) => string;
  /** What it is sorted by, when that is not its text. */
  sort?: (row: NodeRow) => string;
}

const none = '';

const fixed: Column[] = [
  { id: 'name', title: 'Name', width: 148, mono: false, text: (row) => row.node.name },
  { id: 'id', title: 'Id', width: 152, mono: true, text: (row) => row.node.id },
  { id: 'ip', title: 'Private IP', width: 104, mono: true, text: (row) => row.node.privateIp ?? none },
  { id: 'zone', title: 'Zone', width: 104, mono: false, text: (row) => zoneText(row.node) },
  { id: 'platform', title: 'Platform', width: 78, mono: false, text: platformText },
  {
    id: 'agent',
    title: 'Agent',
    width: 94,
    mono: false,
    text: (row) => row.node.agentVersion,
    sort: (row) => row.agent.map((part) => String(part).padStart(6, '0')).join('.'),
  },
  { id: 'account', title: 'Account', width: 104, mono: false, text: (row) => row.profileId },
  { id: 'region', title: 'Region', width: 100, mono: false, text: (row) => row.region },
  { id: 'os', title: 'System', width: 150, mono: false, text: (row) => row.node.platformName },
  { id: 'type', title: 'Type', width: 92, mono: false, text: (row) => row.node.instanceType ?? none },
  { id: 'state', title: 'State', width: 78, mono: false, text: (row) => row.node.instanceState ?? none },
  { id: 'publicIp', title: 'Public IP', width: 110, mono: true, text: (row) => row.node.publicIp ?? none },
  { id: 'vpc', title: 'VPC', width: 150, mono: true, text: (row) => row.node.vpcId ?? none },
  { id: 'subnet', title: 'Subnet', width: 170, mono: true, text: (row) => row.node.subnetId ?? none },
  { id: 'role', title: 'Role', width: 130, mono: false, text: (row) => row.node.role ?? none },
];

const byId = new Map(fixed.map((column) => [column.id, column]));

/** Where a node is: its zone, or that it is none of EC2's. Nothing where that is not told. */
export function zoneText({ zone, id }: NodeRow['node']): string {
  return zone ?? (id.startsWith('mi-') ? 'hybrid' : none);
}

function platformText(row: NodeRow): string {
  return { linux: 'Linux', windows: 'Windows', macos: 'macOS', unknown: '' }[row.node.platform];
}

/** The columns that can be chosen, without the tags. */
export const knownColumns: readonly Column[] = fixed;

export const defaultColumns: ColumnView[] = ['name', 'id', 'ip', 'zone', 'platform', 'agent'].map((id) => ({
  id,
  width: byId.get(id)?.width ?? 100,
}));

/** The column of an id; a tag's column is made from its key. Null: not known. */
export function columnOf(id: string): Column | null {
  if (!id.startsWith('tag:')) return byId.get(id) ?? null;
  const key = id.slice(4);
  return { id, title: key, width: 110, mono: false, text: (row) => row.node.tags[key] ?? none };
}

/** The columns to draw, as wide as they are wanted; what is not known is left out. */
export function columnsOf(views: ColumnView[]): Column[] {
  return views.flatMap(({ id, width }) => {
    const column = columnOf(id);
    return column === null ? [] : [{ ...column, width }];
  });
}

/** Sorted rows, a new list. Numbers inside texts count as numbers; offline rows stay where they are. */
export function sorted(
  rows: NodeRow[],
  id: string,
  descending: boolean,
  label: (id: ProfileId) => string,
): NodeRow[] {
  const column = columnOf(id) ?? columnOf('name');
  if (column === null) return rows;
  const key = column.sort ?? (id === 'account' ? (row: NodeRow) => label(row.profileId) : column.text);
  const sign = descending ? -1 : 1;
  const keyed = rows.map((row) => ({ row, key: natural(key(row)), name: row.node.name }));
  keyed.sort((a, b) => {
    // Rows without a value come last, whichever way the others run.
    if (a.key === '' || b.key === '') return a.key === b.key ? 0 : a.key === '' ? 1 : -1;
    if (a.key !== b.key) return a.key < b.key ? -sign : sign;
    return a.row.key < b.row.key ? -1 : 1;
  });
  return keyed.map((entry) => entry.row);
}

/** Pads numbers so that `web-2` comes before `web-10` in plain text order. */
function natural(text: string): string {
  return text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(10, '0'));
}
