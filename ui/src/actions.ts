/**
 * Every user action once: its title, its keys, whether it is possible now, and what it does.
 * Keys, menus, buttons and the palette all come here. The frame provides what each one does.
 */
import type { AccountRequest, ProfileId, TargetView, TunnelId } from './backend';
import { chordOf, matches, promoted, type Chord } from './lib/keys';

export type Section = 'App' | 'Nodes' | 'Tabs' | 'Terminal' | 'Tunnels' | 'Accounts';

interface Spec {
  title: string;
  section: Section;
  keys: Chord[];
  /** Not a row of the palette: it needs to know what it was asked on. */
  quiet: boolean;
}

function spec(section: Section, title: string, ...keys: string[]): Spec {
  return { title, section, keys: keys.map(chordOf), quiet: false };
}

function quiet(section: Section, title: string, ...keys: string[]): Spec {
  return { ...spec(section, title, ...keys), quiet: true };
}

const table = {
  'app.palette': quiet('App', 'Go to anything', 'Mod+K'),
  'app.settings': spec('App', 'Settings', 'Mod+,'),
  'app.shortcuts': spec('App', 'All shortcuts', 'F1'),
  'app.sidebar': spec('App', 'Show or hide the sidebar', 'Mod+B'),
  'app.theme': spec('App', 'Switch between light and dark'),
  'app.quit': spec('App', 'Quit Adit'),
  'nodes.show': spec('Nodes', 'Show nodes'),
  'nodes.filter': spec('Nodes', 'Filter nodes', 'Mod+L'),
  'nodes.refresh': spec('Nodes', 'Read the nodes again', 'F5'),
  'nodes.drawer': spec('Nodes', 'Show or hide details', 'Mod+I'),
  'nodes.saveView': spec('Nodes', 'Keep this filter as a saved view'),
  'node.connect': spec('Nodes', 'Connect'),
  'node.forward': spec('Nodes', 'Forward a port…'),
  'node.run': spec('Nodes', 'Run a command…'),
  'node.rdp': spec('Nodes', 'Remote desktop'),
  'node.diagnose': spec('Nodes', 'Why is it offline?'),
  'node.favourite': spec('Nodes', 'Add to or remove from favourites'),
  'node.broadcast': quiet('Nodes', 'Open all and broadcast'),
  'tab.new': spec('Tabs', 'New tab: choose a node', 'Mod+T'),
  'tab.same': spec('Tabs', 'New tab on the same node', 'Mod+Shift+T'),
  'tab.close': spec('Tabs', 'Close tab or pane', 'Mod+W'),
  'tab.next': spec('Tabs', 'Next tab', 'Ctrl+Tab'),
  'tab.previous': spec('Tabs', 'Previous tab', 'Ctrl+Shift+Tab'),
  'tab.goto': quiet('Tabs', 'Go to tab 1 … 9'),
  'tab.rename': spec('Tabs', 'Rename tab', 'F2'),
  'tab.duplicate': spec('Tabs', 'Duplicate tab'),
  'terminal.splitRight': spec('Terminal', 'Split right', 'Mod+Shift+D'),
  'terminal.splitDown': spec('Terminal', 'Split down', 'Mod+Shift+E'),
  'terminal.nextPane': spec('Terminal', 'Next pane', 'Mod+Shift+O'),
  'terminal.find': spec('Terminal', 'Find in terminal', 'Mod+F'),
  'terminal.copy': spec('Terminal', 'Copy', 'Copy'),
  'terminal.paste': spec('Terminal', 'Paste', 'Paste'),
  'terminal.zoomIn': spec('Terminal', 'Larger text', 'Mod+=', 'Mod++'),
  'terminal.zoomOut': spec('Terminal', 'Smaller text', 'Mod+-'),
  'terminal.zoomReset': spec('Terminal', 'Normal text size', 'Mod+0'),
  'terminal.broadcast': spec('Terminal', 'Type into several panes', 'Mod+Shift+B'),
  'terminal.reconnect': spec('Terminal', 'Reconnect'),
  'terminal.clear': spec('Terminal', 'Clear scrollback'),
  'terminal.save': spec('Terminal', 'Save scrollback as text…'),
  'tunnels.show': spec('Tunnels', 'Show tunnels', 'Mod+Shift+L'),
  'tunnels.add': spec('Tunnels', 'Add tunnel…'),
  'tunnels.stopAll': spec('Tunnels', 'Stop all tunnels'),
  'tunnel.switch': quiet('Tunnels', 'Switch tunnel'),
  'account.add': spec('Accounts', 'Add account…'),
  'account.edit': spec('Accounts', 'Edit account…'),
  'account.signIn': spec('Accounts', 'Sign in'),
} satisfies Record<string, Spec>;

export type ActionId = keyof typeof table;

/** What an action may be told; without it, it acts on what is in front. */
interface Told {
  'node.connect': TargetView[];
  'node.forward': TargetView;
  'node.run': TargetView[];
  'node.rdp': TargetView;
  'node.diagnose': TargetView;
  'node.favourite': TargetView;
  'node.broadcast': TargetView[];
  'tab.goto': number;
  'tunnel.switch': TunnelId;
  'account.add': AccountRequest['kind'];
  'account.edit': ProfileId;
  'account.signIn': ProfileId;
}

export type ToldOf<I extends ActionId> = I extends keyof Told ? Told[I] : undefined;

/** What the frame provides for an action. */
export interface Deed<I extends ActionId> {
  run: (told: ToldOf<I> | undefined) => void;
  enabled?: () => boolean;
}

type Deeds = { [I in ActionId]?: Deed<I> };
const deeds: Deeds = {};

/** Says what actions do. Called by the frame at start, by tests with what they watch. */
export function provide(more: Deeds): void {
  Object.assign(deeds, more);
}

/** Does it, if it is possible now. */
export function run<I extends ActionId>(
  id: I,
  ...told: ToldOf<I> extends undefined ? [] : [ToldOf<I>?]
): void {
  const deed = deeds[id];
  if (deed === undefined || (told.length === 0 && deed.enabled?.() === false)) return;
  deed.run(told[0]);
}

export interface ActionView {
  id: ActionId;
  title: string;
  section: Section;
  keys: Chord[];
}

/** What is known of an action, for a button or a menu. */
export function actionView(id: ActionId): ActionView {
  const { title, section, keys } = table[id];
  return { id, title, section, keys };
}

/** Every action, for the shortcuts page. */
export function allActions(): ActionView[] {
  return (Object.keys(table) as ActionId[]).map(actionView);
}

/** The actions that are possible now, for the palette. */
export function possibleActions(): ActionView[] {
  return allActions().filter(({ id }) => {
    const deed = deeds[id];
    return !table[id].quiet && deed !== undefined && deed.enabled?.() !== false;
  });
}

/**
 * Finds the action of a key press. In a focused terminal plain Ctrl+letter belongs to the shell:
 * there a Ctrl+letter action is reached with Ctrl+Shift, unless another action has that chord.
 */
export function actionOf(event: KeyboardEvent, inTerminal: boolean, mac: boolean): (() => void) | null {
  const digit = /^Digit([1-9])$/.exec(event.code);
  const mod = mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  if (digit?.[1] !== undefined && mod && !event.altKey && !event.shiftKey) {
    const index = Number(digit[1]);
    return () => run('tab.goto', index);
  }
  // Function keys are the program's, but for help.
  if (inTerminal && /^F\d+$/.test(event.key) && event.key !== 'F1') return null;
  const ids = Object.keys(table) as ActionId[];
  const taken = inTerminal && !mac;
  const direct = ids.find((id) =>
    table[id].keys.some((chord) => !(taken && promoted(chord)) && matches(chord, event, mac)),
  );
  const found =
    direct ??
    (taken
      ? ids.find((id) =>
          table[id].keys.some((chord) => {
            const raised = promoted(chord);
            return raised !== null && matches(raised, event, mac);
          }),
        )
      : undefined);
  if (found === undefined || deeds[found] === undefined) return null;
  if (deeds[found]?.enabled?.() === false) return null;
  return () => (run as (id: ActionId) => void)(found);
}
