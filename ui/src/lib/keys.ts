/** Key chords: written once, matched against presses, shown the way the platform writes them. */

export interface Chord {
  /** The key as `KeyboardEvent.key`, lower case. */
  key: string;
  /** Cmd on macOS, Ctrl elsewhere. */
  mod: boolean;
  /** Ctrl on every platform. */
  ctrl: boolean;
  shift: boolean;
}

/**
 * Reads `Mod+Shift+T`. `Copy` and `Paste` stand for Cmd+C / Cmd+V on macOS and
 * Ctrl+Shift+C / Ctrl+Shift+V elsewhere.
 */
export function chordOf(text: string): Chord {
  if (text === 'Copy' || text === 'Paste') {
    return { key: text === 'Copy' ? 'c' : 'v', mod: true, ctrl: false, shift: true };
  }
  const parts = text.endsWith('++') ? [...text.slice(0, -2).split('+'), '+'] : text.split('+');
  return {
    key: (parts.at(-1) ?? '').toLowerCase(),
    mod: parts.includes('Mod'),
    ctrl: parts.includes('Ctrl'),
    shift: parts.includes('Shift'),
  };
}

const isClipboard = (chord: Chord) => (chord.key === 'c' || chord.key === 'v') && chord.mod;

/** Whether a press is this chord. */
export function matches(chord: Chord, event: KeyboardEvent, mac: boolean): boolean {
  if (event.altKey || event.key.toLowerCase() !== chord.key) return false;
  const ctrl = chord.ctrl || (chord.mod && !mac);
  const meta = chord.mod && mac;
  // The plus sign may need Shift to be typed at all.
  const shift = isClipboard(chord) && mac ? false : chord.shift;
  const shiftFits = chord.key === '+' || event.shiftKey === shift;
  return event.ctrlKey === ctrl && event.metaKey === meta && shiftFits;
}

/** The chord's Ctrl+Shift form for a focused terminal; none when it needs none. */
export function promoted(chord: Chord): Chord | null {
  const isPlainLetter = chord.mod && !chord.shift && /^[a-z]$/.test(chord.key);
  return isPlainLetter ? { ...chord, shift: true } : null;
}

const names: Record<string, string> = { tab: 'Tab', '=': '=', '-': '−', '+': '+', ',': ',' };

/** The chord in the platform's own writing: `Ctrl+Shift+T` or `⇧⌘T`. */
export function shown(chord: Chord, mac: boolean): string {
  const name = names[chord.key] ?? chord.key.toUpperCase();
  if (mac) {
    const shift = chord.shift && !isClipboard(chord) ? '⇧' : '';
    return `${chord.ctrl ? '⌃' : ''}${shift}${chord.mod ? '⌘' : ''}${name}`;
  }
  return [chord.mod || chord.ctrl ? 'Ctrl' : '', chord.shift ? 'Shift' : '', name].filter(Boolean).join('+');
}
