/** The platform, as far as words and keys depend on it. */
import type { PlatformView } from '../backend';
import { shown, type Chord } from './keys';

class Platform {
  name = $state<PlatformView>('linux');

  get mac(): boolean {
    return this.name === 'macos';
  }

  /** The first of an action's chords in the platform's writing; empty when it has none. */
  keys(chords: Chord[]): string {
    const first = chords[0];
    return first === undefined ? '' : shown(first, this.mac);
  }
}

export const platform = new Platform();
