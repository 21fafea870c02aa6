/** The terminal's font and colours. */
import type { ITheme } from '@xterm/xterm';

export const bundledFont =
  "'JetBrains Mono', ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace";

/** Dark in both themes, a shade deeper in the dark one. Read from the tokens, so that the pane and it are one. */
export function palette(): ITheme {
  const tokens = getComputedStyle(document.documentElement);
  const token = (name: string, fallback: string) => tokens.getPropertyValue(name).trim() || fallback;
  return {
    background: token('--terminal', '#15151b'),
    foreground: token('--terminal-text', '#dcdce6'),
    cursor: '#dcdce6',
    cursorAccent: '#15151b',
    selectionBackground: '#4a52a888',
    black: '#2b2b36',
    red: '#f07c7c',
    green: '#7fd88f',
    yellow: '#e6c35c',
    blue: '#8ab4ff',
    magenta: '#d49cff',
    cyan: '#6fd6d6',
    white: '#c8c8d4',
    brightBlack: '#8a8a9a',
    brightRed: '#ff9c9c',
    brightGreen: '#a2ecae',
    brightYellow: '#ffdf85',
    brightBlue: '#b0ccff',
    brightMagenta: '#e6c2ff',
    brightCyan: '#9aeaea',
    brightWhite: '#ffffff',
  };
}

/** The bundled font must be there before the first cell is measured. */
export async function fontReady(fontSize: number): Promise<void> {
  if (!('fonts' in document)) return;
  await Promise.all(
    [400, 700].map((weight) => document.fonts.load(`${weight} ${fontSize}px 'JetBrains Mono'`)),
  ).catch(() => []);
}
