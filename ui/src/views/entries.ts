/** Everything the palette can go to. */
import { possibleActions, run, type ActionId } from '../actions';
import { toneOf } from '../lib/tone';
import { nodes } from '../nodes/nodes.svelte';
import { targetOf } from '../nodes/row';
import { pingTone } from '../nodes/words';
import type { Entry } from '../palette/palette.svelte';
import { profiles } from '../profiles/profiles.svelte';
import { tabs } from '../terminal/tabs.svelte';
import { tunnels } from '../tunnels/tunnels.svelte';
import { localAddress, remoteAddress } from '../tunnels/words';
import { frame } from './window.svelte';

const none: Pick<Entry, 'more' | 'tone' | 'keys'> = { more: '', tone: null, keys: [] };

export function paletteEntries(): Entry[] {
  return [...tabEntries(), ...tunnelEntries(), ...actionEntries(), ...placeEntries(), ...nodeEntries()];
}

function tabEntries(): Entry[] {
  return tabs.list.map((tab) => ({
    ...none,
    id: `tab ${tab.id}`,
    kind: 'tab',
    title: tabs.titleOf(tab),
    note: profiles.look(tabs.panesOf(tab)[0]?.target.profileId ?? '').label,
    tone: tabs.toneOf(tab),
    run: () => tabs.show(tab.id),
  }));
}

function tunnelEntries(): Entry[] {
  return tunnels.all.map((tunnel) => ({
    ...none,
    id: `tunnel ${tunnel.id}`,
    kind: 'tunnel',
    title: `${tunnel.wanted ? 'Stop' : 'Start'} ${tunnel.spec.name}`,
    note: `${localAddress(tunnel)} → ${remoteAddress(tunnel.spec, tunnel.nodeName)}`,
    more: tunnel.spec.group ?? '',
    tone: toneOf(tunnel.state),
    run: () => {
      tabs.show('tunnels');
      run('tunnel.switch', tunnel.id);
    },
  }));
}

function actionEntries(): Entry[] {
  const go = run as (id: ActionId) => void;
  return possibleActions().map(({ id, title, section, keys }) => ({
    ...none,
    id: `action ${id}`,
    kind: 'action',
    title,
    note: section,
    keys,
    run: () => go(id),
  }));
}

function placeEntries(): Entry[] {
  const all: Entry = {
    ...none,
    id: 'place all',
    kind: 'place',
    title: 'All accounts',
    note: '',
    run: () => frame.look({ profileId: null, region: null }),
  };
  const each = profiles.view.profiles.flatMap(({ id, label, regions }) =>
    [null, ...regions.map(({ name }) => name)].map((region): Entry => ({
      ...none,
      id: `place ${id} ${region ?? ''}`,
      kind: 'place',
      title: region === null ? label : `${label} ${region}`,
      note: '',
      run: () => frame.look({ profileId: id, region }),
    })),
  );
  return [all, ...each];
}

function nodeEntries(): Entry[] {
  return nodes.everyRow().map((row) => ({
    ...none,
    id: `node ${row.key}`,
    kind: 'node',
    title: row.node.name,
    note: `${profiles.look(row.profileId).label} · ${row.region}`,
    more: `${row.node.id} ${row.node.privateIp ?? ''}`,
    tone: pingTone(row.node.ping),
    run: () => run('node.connect', [targetOf(row)]),
  }));
}
