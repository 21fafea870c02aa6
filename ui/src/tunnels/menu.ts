/** What can be done with a tunnel, as a menu. */
import { attempt, call, type TunnelView } from '../backend';
import { item, separator, type MenuItem } from '../lib/menu.svelte';
import { openForm, TunnelForm } from './form.svelte';
import { tunnels } from './tunnels.svelte';
import { connectionString, localAddress, localPort, programWords } from './words';

export function tunnelMenu(tunnel: TunnelView): MenuItem[] {
  const program = programWords(tunnel.spec);
  const string = connectionString(tunnel);
  const listens = localPort(tunnel) !== null;
  const groups = [...new Set(tunnels.all.flatMap(({ spec }) => spec.group ?? []))].filter(
    (group) => group !== tunnel.spec.group,
  );
  return [
    item(tunnel.wanted ? 'Stop' : 'Start', () => tunnels.switch(tunnel.id, !tunnel.wanted)),
    ...(program === null ? [] : [item(program, () => tunnels.open(tunnel.id))]),
    separator,
    item('Copy address', () => copy(localAddress(tunnel)), { disabled: !listens }),
    ...(string === null ? [] : [item('Copy connection string', () => copy(string))]),
    separator,
    item('Edit…', () => (openForm.form = TunnelForm.of(tunnel, false))),
    item('Duplicate…', () => (openForm.form = TunnelForm.of(tunnel, true))),
    item('Log', () => tunnels.showLog(tunnels.logOf === tunnel.id ? null : tunnel.id), {
      checked: tunnels.logOf === tunnel.id,
    }),
    ...groups.map((group) => item(`Move to ${group}`, () => tunnels.move(tunnel, group))),
    ...(tunnel.spec.group === null ? [] : [item('Take out of the group', () => tunnels.move(tunnel, null))]),
    separator,
    item('Remove', () => tunnels.remove(tunnel), { danger: true }),
  ];
}

export function copy(text: string): void {
  attempt(call.clipboardWrite(text));
}
