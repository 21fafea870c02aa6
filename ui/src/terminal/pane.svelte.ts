/** One terminal: its session's state, its screen, what is typed and what comes back. */
import {
  asAppError,
  attempt,
  call,
  type InputEncoding,
  type TargetView,
  type TerminalId,
  type TerminalSettings,
  type TerminalSize,
  type TerminalStateView,
} from '../backend';
import { Debounce } from '../lib/debounce';
import { second } from '../lib/format';
import { Input } from './input';
import { fontReady } from './look';
import { Output } from './output';
import type { Screen } from './screen';
import { isOver, type Shown } from './words';

/** What a pane needs of the tabs around it. */
export interface PaneHome {
  settings: () => TerminalSettings;
  /** Typed here: perhaps meant for others too. */
  typed: (pane: Pane, data: string, encoding: InputEncoding) => void;
  isInFront: (pane: Pane) => boolean;
  focused: (pane: Pane) => void;
}

const usualSize: TerminalSize = { cols: 120, rows: 32 };
let lastSize = usualSize;

export class Pane {
  view = $state.raw<TerminalStateView | null>(null);
  bell = $state(false);
  /** Several lines, waiting for a yes. */
  pasting = $state<string | null>(null);
  finding = $state(false);
  screen = $state.raw<Screen | null>(null);

  /** Moves with the pane through splits, so that the screen is made once. */
  readonly host = document.createElement('div');
  readonly shown: Shown = $derived(this.view?.state ?? { state: 'kept' });

  #loading: Promise<Screen> | null = null;
  #output: Output | null = null;
  #input: Input | null = null;
  /** The app knows this terminal; sizes and input may be sent. */
  #open = false;
  #closed = false;
  readonly #keep = new Debounce(3000, () => this.keep());

  constructor(
    readonly id: TerminalId,
    readonly target: TargetView,
    private readonly home: PaneHome,
  ) {
    this.host.className = 'terminal-host';
    this.host.addEventListener(
      'paste',
      (event) => {
        event.preventDefault();
        event.stopPropagation();
        this.paste(event.clipboardData?.getData('text/plain') ?? '');
      },
      true,
    );
    this.host.addEventListener('focusin', () => home.focused(this));
  }

  take(view: TerminalStateView): void {
    this.view = view;
    if (isOver(view.state)) this.#keep.poke();
  }

  /** Starts a session, the first or a new one after the last has ended. */
  async start(): Promise<void> {
    if (this.#closed || (this.view !== null && !isOver(this.view.state))) return;
    this.#local({ state: 'starting', step: 'session' });
    this.screen?.settle(`── new session at ${second(Date.now())} ──`);
    this.#output?.stop();
    this.#input?.stop();
    // The session starts while the screen is made: neither waits for the other.
    const ready = this.#ready();
    const output = new Output(
      (bytes, taken) => {
        if (this.screen === null) void ready.then((screen) => screen.write(bytes, taken));
        else this.screen.write(bytes, taken);
        this.#keep.poke();
      },
      (bytes) => attempt(call.terminalAck(this.id, bytes)),
    );
    this.#output = output;
    this.#input = new Input(
      (data, encoding) => call.terminalWrite(this.id, data, encoding),
      () => undefined,
    );
    const size = this.screen?.size ?? lastSize;
    this.#open = false;
    try {
      await call.terminalOpen(this.id, this.target, size, (piece) => output.take(piece));
      this.#open = true;
      const now = (await ready).size;
      if (now.cols !== size.cols || now.rows !== size.rows) attempt(call.terminalResize(this.id, now));
    } catch (thrown) {
      this.#local({ state: 'failed', error: asAppError(thrown) });
    }
  }

  /** Draws into `parent`; brings back what was kept when there is no session yet. */
  async attach(parent: HTMLElement): Promise<void> {
    parent.append(this.host);
    this.bell = false;
    const screen = await this.#ready();
    if (this.host.parentElement !== parent) return;
    screen.show(this.host, `Terminal on ${this.target.nodeName}`);
    lastSize = screen.size;
    if (this.home.isInFront(this)) screen.focus();
  }

  retry(): void {
    if (isOver(this.shown)) void this.start();
    else attempt(call.terminalRetry(this.id));
  }

  /** Sends to this terminal's session alone. */
  send(data: string, encoding: InputEncoding): void {
    if (isOver(this.shown)) {
      if (data === '\r') void this.start();
      return;
    }
    this.#input?.push(data, encoding);
  }

  /** Asks first when more than one line would run. */
  paste(text: string): void {
    const lines = text.trimEnd().split(/\r\n?|\n/).length;
    const risky =
      this.home.settings().warnMultiLinePaste && lines > 1 && this.screen?.inFullScreenProgram !== true;
    if (risky) this.pasting = text;
    else this.screen?.paste(text);
  }

  confirmPaste(text: string | null): void {
    this.pasting = null;
    if (text !== null) this.screen?.paste(text);
    this.screen?.focus();
  }

  copy(): void {
    const text = this.screen?.selection() ?? '';
    if (text !== '') attempt(call.clipboardWrite(text));
  }

  /** Keeps the scrollback for the next start. */
  keep(): void {
    if (this.#closed || this.screen === null) return;
    attempt(call.scrollbackSave(this.id, this.screen.kept()));
  }

  flush(): void {
    this.#keep.flush();
  }

  close(): void {
    this.#closed = true;
    this.#output?.stop();
    this.#input?.stop();
    this.screen?.dispose();
    this.host.remove();
    attempt(call.terminalClose(this.id));
  }

  #ready(): Promise<Screen> {
    this.#loading ??= this.#make();
    return this.#loading;
  }

  async #make(): Promise<Screen> {
    const settings = this.home.settings();
    const fresh = this.view !== null;
    const [{ Screen }, kept] = await Promise.all([
      import('./screen'),
      fresh ? '' : call.scrollbackLoad(this.id).catch(() => ''),
      fontReady(settings.fontSize),
    ]);
    const screen = new Screen(settings, lastSize, {
      input: (data, encoding) => this.home.typed(this, data, encoding),
      resized: (size) => {
        lastSize = size;
        if (this.#open && !isOver(this.shown)) attempt(call.terminalResize(this.id, size));
      },
      bell: () => {
        if (this.home.settings().bell && !this.home.isInFront(this)) this.bell = true;
      },
      link: (url) => attempt(call.urlOpen(url)),
      selected: (text) => {
        if (text !== '' && this.home.settings().copyOnSelect) attempt(call.clipboardWrite(text));
      },
    });
    if (kept !== '') screen.write(kept);
    this.screen = screen;
    return screen;
  }

  #local(state: TerminalStateView['state']): void {
    const known = this.view ?? {
      id: this.id,
      target: this.target,
      user: null,
      idleEndMs: null,
      sessionId: null,
    };
    this.view = { ...known, state };
  }
}
