/** What the pretend backend has saved from the last time. */
import type { BookmarksView, SettingsView, TargetView, WorkspaceView } from '../backend';
import { usualSettings } from '../settings/settings.svelte';

interface Saved {
  bookmarks: BookmarksView;
  settings: SettingsView;
  workspace: WorkspaceView;
}

export function defaults(options: URLSearchParams, jump: TargetView): Saved {
  const theme = options.get('theme');
  return {
    bookmarks: {
      nodes: [{ id: 'b1', name: 'db-jump', target: jump, startAtLaunch: false }],
      groups: ['Shop', 'Office'],
      savedViews: [{ name: 'Production web', filter: 'tag:Env=prod web' }],
    },
    settings: {
      ...usualSettings,
      theme: theme === 'dark' || theme === 'light' ? theme : 'system',
    },
    workspace: {
      scope: options.has('all')
        ? { profileId: null, region: null }
        : { profileId: 'acme-prod', region: 'eu-west-1' },
      sidebarWidth: 220,
      sidebarCollapsed: false,
      drawerOpen: true,
      columns: [],
      sort: { column: 'name', descending: false },
      tabs: [],
      activeTab: 'nodes',
      recent: [],
      hintsClosed: [],
    },
  };
}
