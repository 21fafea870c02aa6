/** What every action does. The one place where the features work together. */
import { flushSync } from 'svelte';

import { provide } from '../actions';
import { attempt, call, type TargetView } from '../backend';
import { bookmarks } from '../bookmarks/bookmarks.svelte';
import { notices } from '../lib/notices.svelte';
import { diagnosis } from '../nodes/diagnosis.svelte';
import { nodes } from '../nodes/nodes.svelte';
import { running } from '../nodes/running.svelte';
import { palette } from '../palette/palette.svelte';
import { profiles } from '../profiles/profiles.svelte';
import { settings } from '../settings/settings.svelte';
import { tabs } from '../terminal/tabs.svelte';
import { openForm, TunnelForm } from '../tunnels/form.svelte';
import { tunnels } from '../tunnels/tunnels.svelte';
import { frame } from './window.svelte';

/** Many tabs at once are asked about first. */
const manyTabs = 12;

export function provideDeeds(): void {
  provide({ ...appDeeds, ...nodeDeeds, ...tabDeeds, ...terminalDeeds, ...otherDeeds });
}

const appDeeds: Parameters<typeof provide>[0] = {
  'app.palette': { run: () => palette.show() },
  'app.settings': { run: () => tabs.show('settings') },
  'app.shortcuts': { run: () => (frame.shortcuts = true) },
  'app.sidebar': { run: () => (frame.sidebarCollapsed = !frame.sidebarCollapsed) },
  'app.theme': { run: () => settings.change({ theme: settings.theme === 'dark' ? 'light' : 'dark' }) },
  'app.quit': { run: () => attempt(quit()) },
};

async function quit(): Promise<void> {
  for (const pane of tabs.panes) pane.flush();
  await call.workspaceSave(frame.view);
  await call.quit();
}

/** The node in front: of the tab, else of the table. */
function inFront(): TargetView | null {
  return tabs.pane?.target ?? (tabs.front === 'nodes' ? (nodes.chosen()[0] ?? null) : null);
}

const several = () => (tabs.pane === null ? nodes.chosen() : [tabs.pane.target]);
const hasNode = () => inFront() !== null;

function withNode(work: (target: TargetView) => void) {
  return {
    enabled: hasNode,
    run: (told: TargetView | undefined) => {
      const target = told ?? inFront();
      if (target !== null) work(target);
    },
  };
}

function connect(targets: TargetView[]): void {
  if (targets.length <= manyTabs) {
    tabs.open(targets);
    return;
  }
  notices.say(`That would open ${targets.length} tabs.`, {
    label: 'Open them',
    run: () => tabs.open(targets),
  });
}

async function remoteDesktop(target: TargetView): Promise<void> {
  const { profileId, region, nodeId, nodeName } = target;
  const known = tunnels.all.find(
    ({ spec }) =>
      spec.remotePort === 3389 &&
      spec.remoteHost === null &&
      spec.via.kind === 'node' &&
      spec.via.nodeId === nodeId,
  );
  const id =
    known?.id ??
    (await call.tunnelSave(null, {
      name: `${nodeName} desktop`,
      group: null,
      profileId,
      region,
      via: { kind: 'node', nodeId },
      remoteHost: null,
      remotePort: 3389,
      localPort: 0,
      bind: { kind: 'loopback' },
      startAtLaunch: false,
      onDemand: false,
      idleStopMinutes: null,
      lanes: 1,
    }));
  await call.tunnelSwitch(id, true);
  await call.tunnelProgram(id);
}

const nodeDeeds: Parameters<typeof provide>[0] = {
  'nodes.show': { run: () => tabs.show('nodes') },
  'nodes.filter': {
    run: () => {
      // Drawn at once, so that not one key of what is typed next is lost.
      flushSync(() => tabs.show('nodes'));
      document.querySelector<HTMLInputElement>('[data-filter=nodes]')?.select();
    },
  },
  'nodes.refresh': { run: () => nodes.refresh() },
  'nodes.drawer': {
    run: () => (nodes.drawerOpen = !nodes.drawerOpen),
    enabled: () => tabs.front === 'nodes',
  },
  'nodes.saveView': {
    enabled: () => nodes.filter !== '',
    run: () =>
      bookmarks.saveViews([...bookmarks.view.savedViews, { name: nodes.filter, filter: nodes.filter }]),
  },
  'node.connect': { enabled: hasNode, run: (told) => connect(told ?? several()) },
  'node.forward': withNode((target) => (openForm.form = TunnelForm.through(target))),
  'node.run': { enabled: hasNode, run: (told) => running.ask(told ?? several()) },
  'node.rdp': withNode((target) => attempt(remoteDesktop(target))),
  'node.favourite': withNode((target) => bookmarks.toggle(target)),
  'node.diagnose': withNode((target) => {
    tabs.show('nodes');
    const { profileId, region } = nodes.scope;
    const inScope =
      (profileId === null || profileId === target.profileId) && (region === null || region === target.region);
    if (!inScope) nodes.look({ profileId: target.profileId, region: target.region });
    nodes.show(target);
    nodes.drawerOpen = true;
    void diagnosis.look(target);
  }),
  'node.broadcast': {
    run: (told) => {
      const panes = tabs.open(told ?? several());
      tabs.broadcast = new Set(panes.map(({ id }) => id));
    },
  },
};

const hasTab = () => tabs.tab !== null;
const inTerminal = () => tabs.pane !== null && document.activeElement?.closest('.terminal-host') != null;

const tabDeeds: Parameters<typeof provide>[0] = {
  'tab.new': { run: () => palette.show('node') },
  'tab.same': { enabled: hasNode, run: () => connect(several()) },
  'tab.close': {
    enabled: () => hasTab() || tabs.front === 'settings',
    run: () => {
      if (tabs.tab !== null && tabs.pane !== null) tabs.closePane(tabs.tab, tabs.pane);
      else tabs.close(tabs.front);
    },
  },
  'tab.next': { run: () => tabs.step(1) },
  'tab.previous': { run: () => tabs.step(-1) },
  'tab.goto': {
    run: (told) => {
      const to = tabs.order()[(told ?? 1) - 1];
      if (to !== undefined) tabs.show(to);
    },
  },
  'tab.rename': {
    enabled: hasTab,
    run: () => {
      if (tabs.tab !== null) tabs.tab.renaming = true;
    },
  },
  'tab.duplicate': { enabled: hasTab, run: () => tabs.open(tabs.pane === null ? [] : [tabs.pane.target]) },
};

async function paste(): Promise<void> {
  tabs.pane?.paste(await call.clipboardRead());
}

async function save(): Promise<void> {
  const { pane } = tabs;
  if (pane?.screen == null) return;
  const path = await call.textSave(`${pane.target.nodeName}.txt`, pane.screen.text());
  if (path !== null) notices.say(`Saved ${path}.`);
}

const terminalDeeds: Parameters<typeof provide>[0] = {
  'terminal.splitRight': { enabled: hasTab, run: () => tabs.split('right') },
  'terminal.splitDown': { enabled: hasTab, run: () => tabs.split('down') },
  'terminal.nextPane': { enabled: () => tabs.tab?.root.kind === 'split', run: () => tabs.nextPane() },
  'terminal.find': {
    enabled: hasTab,
    run: () => {
      if (tabs.pane !== null) tabs.pane.finding = true;
    },
  },
  'terminal.copy': { enabled: inTerminal, run: () => tabs.pane?.copy() },
  'terminal.paste': { enabled: inTerminal, run: () => attempt(paste()) },
  'terminal.zoomIn': { enabled: hasTab, run: () => settings.zoom(1) },
  'terminal.zoomOut': { enabled: hasTab, run: () => settings.zoom(-1) },
  'terminal.zoomReset': { enabled: hasTab, run: () => settings.zoom(null) },
  'terminal.reconnect': { enabled: hasTab, run: () => tabs.pane?.retry() },
  'terminal.clear': { enabled: hasTab, run: () => tabs.pane?.screen?.clear() },
  'terminal.save': { enabled: hasTab, run: () => attempt(save()) },
  'terminal.broadcast': {
    enabled: hasTab,
    run: () => {
      const of = tabs.tab === null ? [] : tabs.panesOf(tabs.tab);
      tabs.broadcast = tabs.broadcast === null ? new Set(of.map(({ id }) => id)) : null;
    },
  },
};

/** The account in front: of the tab, else of the scope. */
export function accountInFront(): string | null {
  return tabs.pane?.target.profileId ?? nodes.scope.profileId;
}

const otherDeeds: Parameters<typeof provide>[0] = {
  'tunnels.show': { run: () => tabs.show('tunnels') },
  'tunnels.add': { run: () => (openForm.form = TunnelForm.through(inFront())) },
  'tunnels.stopAll': { enabled: () => tunnels.running > 0, run: () => tunnels.switchAll(tunnels.all, false) },
  'tunnel.switch': {
    run: (id) => {
      const tunnel = id === undefined ? undefined : tunnels.find(id);
      if (tunnel !== undefined) tunnels.switch(tunnel.id, !tunnel.wanted);
    },
  },
  'account.add': { run: (way) => profiles.ask(way ?? 'sso') },
  'account.edit': {
    enabled: () => accountInFront() !== null,
    run: (told) => (profiles.editing = told ?? accountInFront()),
  },
  'account.signIn': {
    enabled: () => accountInFront() !== null,
    run: (told) => {
      const id = told ?? accountInFront();
      if (id !== null) profiles.signIn(id);
    },
  },
};
