/** From nothing to the first frame: hear the events, ask for the snapshot, hand each part to its store. */
import {
  call,
  connect,
  on,
  tellFailuresTo,
  type BookmarksView,
  type EventName,
  type EventValue,
  type IntentView,
  type NoticeView,
  type ProfilesView,
} from '../backend';
import { bookmarks } from '../bookmarks/bookmarks.svelte';
import { run } from '../actions';
import { notices } from '../lib/notices.svelte';
import { platform } from '../lib/platform.svelte';
import { nodes } from '../nodes/nodes.svelte';
import { profiles } from '../profiles/profiles.svelte';
import { settings } from '../settings/settings.svelte';
import { tabs } from '../terminal/tabs.svelte';
import { tunnels } from '../tunnels/tunnels.svelte';
import { provideDeeds } from './deeds';
import { frame } from './window.svelte';

export async function start(): Promise<void> {
  await connect();
  tellFailuresTo((error) => notices.fail(error));
  tabs.settingsFrom(() => settings.view.terminal);
  nodes.named((id) => profiles.look(id));
  provideDeeds();
  settings.followSystem();
  const early = new Early();
  await Promise.all([
    early.on('profilesEvent', takeProfiles),
    early.on('inventoryEvent', (view) => nodes.take(view)),
    early.on('terminalStateEvent', (view) => tabs.take(view)),
    early.on('tunnelEvent', (view) => tunnels.take(view)),
    early.on('tunnelTrafficEvent', (view) => tunnels.takeTraffic(view)),
    early.on('tunnelLogEvent', (view) => tunnels.takeLog(view)),
    early.on('bookmarksEvent', (view) => takeBookmarks(view)),
    early.on('settingsEvent', (view) => settings.take(view)),
    early.on('noticeEvent', tell),
    early.on('intentEvent', follow),
  ]);
  const snapshot = await call.snapshot();
  platform.name = snapshot.platform;
  frame.version = snapshot.version;
  settings.take(snapshot.settings);
  takeProfiles(snapshot.profiles);
  takeBookmarks(snapshot.bookmarks);
  tunnels.takeAll(snapshot.tunnels);
  frame.take(snapshot.workspace, snapshot.settings.restoreTabs);
  nodes.takeAll(snapshot.inventories);
  early.end();
  // The window paints from what is known; the reading goes on behind it.
  nodes.open();
  snapshot.notices.forEach(tell);
  tabs.open(
    snapshot.bookmarks.nodes.filter(({ startAtLaunch }) => startAtLaunch).map(({ target }) => target),
  );
}

/** Keeps events back until the snapshot is there: it is older than those that come while it is under way. */
class Early {
  #kept: (() => void)[] | null = [];

  on<E extends EventName>(name: E, hear: (value: EventValue<E>) => void): Promise<() => void> {
    return on(name, (value) => {
      if (this.#kept === null) hear(value);
      else this.#kept.push(() => hear(value));
    });
  }

  end(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const hear of kept) hear();
  }
}

function takeProfiles(view: ProfilesView): void {
  profiles.take(view);
  const id = 'config-problem';
  if (view.problem === null) notices.close(id);
  else notices.put({ id, severity: 'bad', text: '', error: view.problem, profileId: null, action: null });
}

function takeBookmarks(view: BookmarksView): void {
  bookmarks.take(view);
  tunnels.order = view.groups;
}

function tell(notice: NoticeView): void {
  notices.put({ ...notice, action: null });
}

function follow(intent: IntentView): void {
  switch (intent.kind) {
    case 'openTerminal':
      return run('node.connect', [intent.target]);
    case 'showTerminal':
      return tabs.showPane(intent.id);
    case 'showTunnel':
      tabs.show('tunnels');
      return document.getElementById(`tunnel-${intent.id}`)?.scrollIntoView({ block: 'center' });
    case 'showSettings':
      return run('app.settings');
    case 'signIn':
      return run('account.signIn', intent.profileId);
  }
}
