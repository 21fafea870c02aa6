/** The settings, applied to the page as they change. */
import { attempt, call, type SettingsView, type TerminalSettings } from '../backend';

/** What holds until the saved ones are known. */
export const usualSettings: SettingsView = {
  theme: 'system',
  density: 'comfortable',
  terminal: {
    fontFamily: '',
    fontSize: 13,
    scrollbackLines: 10_000,
    cursor: 'block',
    cursorBlink: false,
    copyOnSelect: false,
    warnMultiLinePaste: true,
    bell: true,
  },
  restoreTabs: true,
  closeKeepsTunnels: true,
  startAtLogin: false,
  notifyTunnels: true,
  notifySignIn: true,
  showSandbox: true,
};

export class Settings {
  view = $state.raw<SettingsView>(usualSettings);
  #systemDark = $state(false);
  readonly theme = $derived(
    this.view.theme === 'system' ? (this.#systemDark ? 'dark' : 'light') : this.view.theme,
  );

  take(view: SettingsView): void {
    this.view = view;
  }

  /** Follows the system's light and dark; the returned function stops it. */
  followSystem(): () => void {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const tell = () => (this.#systemDark = query.matches);
    tell();
    query.addEventListener('change', tell);
    return () => query.removeEventListener('change', tell);
  }

  change(change: Partial<SettingsView>): void {
    this.view = { ...this.view, ...change };
    attempt(call.settingsSave(this.view));
  }

  changeTerminal(change: Partial<TerminalSettings>): void {
    this.change({ terminal: { ...this.view.terminal, ...change } });
  }

  zoom(by: number | null): void {
    const fontSize = by === null ? usualSettings.terminal.fontSize : this.view.terminal.fontSize + by;
    this.changeTerminal({ fontSize: Math.max(8, Math.min(32, fontSize)) });
  }
}

export const settings = new Settings();
