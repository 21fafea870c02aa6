/** One xterm with its addons. Loaded apart from the rest, so that the window paints before it. */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon, type ISearchOptions } from '@xterm/addon-search';
import { SerializeAddon } from '@xterm/addon-serialize';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';

import type { InputEncoding, TerminalSettings, TerminalSize } from '../backend';
import { hasCard } from './graphics';
import { bundledFont, palette } from './look';

export interface Hearing {
  input: (data: string, encoding: InputEncoding) => void;
  resized: (size: TerminalSize) => void;
  bell: () => void;
  link: (url: string) => void;
  selected: (text: string) => void;
}

/** Lines kept of a tab for the next start. */
const keptLines = 1000;

const found: ISearchOptions['decorations'] = {
  matchBackground: '#5a4a14',
  matchOverviewRuler: '#e2b04a',
  activeMatchBackground: '#b98a1e',
  activeMatchColorOverviewRuler: '#ffd166',
};

export { hasCard };

export class Screen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #serialize = new SerializeAddon();
  #webgl: WebglAddon | null = null;
  #opened = false;

  constructor(settings: TerminalSettings, size: TerminalSize, hearing: Hearing) {
    this.#terminal = new Terminal({
      allowProposedApi: true,
      theme: palette(),
      ...size,
      ...options(settings),
    });
    const terminal = this.#terminal;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.#search);
    terminal.loadAddon(this.#serialize);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = '11';
    const follow = (event: MouseEvent, url: string) => {
      if (event.ctrlKey || event.metaKey) hearing.link(url);
    };
    terminal.loadAddon(new WebLinksAddon(follow));
    terminal.options.linkHandler = { activate: follow };
    terminal.onData((data) => hearing.input(data, 'utf8'));
    terminal.onBinary((data) => hearing.input(data, 'binary'));
    terminal.onResize(hearing.resized);
    terminal.onBell(hearing.bell);
    terminal.onSelectionChange(() => hearing.selected(terminal.getSelection()));
  }

  get size(): TerminalSize {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  get inFullScreenProgram(): boolean {
    return this.#terminal.buffer.active.type === 'alternate';
  }

  /** Draws into an element that is on the page. */
  show(host: HTMLElement, label: string): void {
    if (!this.#opened) {
      this.#opened = true;
      this.#terminal.open(host);
      this.#terminal.textarea?.setAttribute('aria-label', label);
    }
    this.#light();
    this.fit();
  }

  fit(): void {
    if (!this.#opened || this.#terminal.element?.offsetParent === null) return;
    this.#fit.fit();
  }

  focus(): void {
    this.#terminal.focus();
  }

  write(data: Uint8Array | string, taken?: () => void): void {
    this.#terminal.write(data, taken);
  }

  /** As if typed, bracketed where the program asks for that. */
  paste(text: string): void {
    this.#terminal.paste(text);
  }

  selection(): string {
    return this.#terminal.getSelection();
  }

  selectAll(): void {
    this.#terminal.selectAll();
  }

  clear(): void {
    this.#terminal.clear();
  }

  /** Leaves whatever the last session's program had switched on, and keeps what is written. */
  settle(line: string): void {
    const reset = '\x1b[?1049l\x1b[!p\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m';
    const fresh = this.#terminal.buffer.active.cursorX === 0 ? '' : '\r\n';
    this.write(`${reset}${fresh}\x1b[2m${line}\x1b[0m\r\n`);
  }

  find(
    text: string,
    backwards: boolean,
    more: { caseSensitive: boolean; regex: boolean; incremental: boolean },
  ): void {
    const search: ISearchOptions = { ...more, ...(found === undefined ? {} : { decorations: found }) };
    if (backwards) this.#search.findPrevious(text, search);
    else this.#search.findNext(text, search);
  }

  onFound(hear: (at: number, of: number) => void): void {
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => hear(resultIndex + 1, resultCount));
  }

  endFind(): void {
    this.#search.clearDecorations();
  }

  /** The last lines with their colours, to be written again at the next start. */
  kept(): string {
    return this.#serialize.serialize({ scrollback: keptLines, excludeModes: true, excludeAltBuffer: true });
  }

  /** All lines as plain text. */
  text(): string {
    const buffer = this.#terminal.buffer.normal;
    const lines: string[] = [];
    for (let i = 0; i < buffer.length; i += 1) {
      const line = buffer.getLine(i);
      const text = line?.translateToString(true) ?? '';
      const before = line?.isWrapped === true ? lines.pop() : undefined;
      lines.push(`${before ?? ''}${text}`);
    }
    return `${lines.join('\n').trimEnd()}\n`;
  }

  apply(settings: TerminalSettings): void {
    Object.assign(this.#terminal.options, options(settings));
    this.fit();
  }

  repaint(): void {
    this.#terminal.options.theme = palette();
  }

  dispose(): void {
    lit.delete(this);
    this.#terminal.dispose();
  }

  /** Takes the graphics card where there is one; browsers allow a dozen or so at once. */
  #light(): void {
    lit.delete(this);
    lit.add(this);
    if (this.#webgl !== null || webglFails || !hasCard()) return;
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => this.#dim());
      this.#terminal.loadAddon(webgl);
      this.#webgl = webgl;
    } catch {
      webglFails = true;
    }
    const [oldest] = lit;
    if (lit.size > mostLit && oldest !== undefined) oldest.#dim();
  }

  #dim(): void {
    lit.delete(this);
    this.#webgl?.dispose();
    this.#webgl = null;
  }
}

const mostLit = 8;
/** The screens drawn by the graphics card, last shown last. */
const lit = new Set<Screen>();
let webglFails = false;

function options(settings: TerminalSettings) {
  return {
    fontFamily: settings.fontFamily === '' ? bundledFont : `"${settings.fontFamily}", ${bundledFont}`,
    fontSize: settings.fontSize,
    lineHeight: 1.2,
    scrollback: settings.scrollbackLines,
    cursorStyle: settings.cursor,
    cursorBlink: settings.cursorBlink,
    macOptionIsMeta: true,
    rightClickSelectsWord: false,
    minimumContrastRatio: 1,
  } as const;
}
