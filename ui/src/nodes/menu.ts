/** What can be done with nodes, as menus. */
import { attempt, call, type TargetView } from '../backend';
import { doing, item, separator, type MenuItem } from '../lib/menu.svelte';
import { targetOf, type NodeRow } from './row';

/** The context menu of one node. */
export function nodeMenu(row: NodeRow, isFavourite: boolean, profileName: string): MenuItem[] {
  const target = targetOf(row);
  const offline = row.node.ping !== 'online';
  return [
    doing('node.connect', [target]),
    doing('node.forward', target),
    doing('node.run', [target]),
    ...(row.node.platform === 'windows' ? [doing('node.rdp', target)] : []),
    ...(offline ? [separator, doing('node.diagnose', target)] : []),
    separator,
    ...copies(row, target, profileName),
    separator,
    doing('node.favourite', target, isFavourite ? 'Remove from favourites' : 'Add to favourites'),
  ];
}

/** The context menu of several nodes. */
export function nodesMenu(targets: TargetView[]): MenuItem[] {
  return [
    doing('node.connect', targets, `Connect to all ${targets.length}`),
    doing('node.broadcast', targets, 'Open all and broadcast'),
    doing('node.run', targets, `Run a command on ${targets.length} nodes…`),
    separator,
    item('Copy names', () => copy(targets.map((target) => target.nodeName).join('\n'))),
    item('Copy ids', () => copy(targets.map((target) => target.nodeId).join('\n'))),
  ];
}

function copies({ node }: NodeRow, target: TargetView, profileName: string): MenuItem[] {
  const { privateIp, arn } = node;
  const where = `--region ${target.region} --profile ${profileName}`;
  const session = `aws ssm start-session --target ${node.id} ${where}`;
  const proxy = `aws ssm start-session --target %h --document-name AWS-StartSSHSession --parameters portNumber=%p ${where}`;
  return [
    { kind: 'caption', label: 'Copy' },
    item('Id', () => copy(node.id)),
    item('Name', () => copy(node.name)),
    ...(privateIp === null ? [] : [item('Private IP', () => copy(privateIp))]),
    item('ARN', () => copy(arn)),
    item('ssh command', () => copy(`ssh -o ProxyCommand="${proxy}" ec2-user@${node.id}`)),
    item('aws command', () => copy(session)),
  ];
}

function copy(text: string): void {
  attempt(call.clipboardWrite(text));
}
