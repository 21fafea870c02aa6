/** The one menu on screen: what it holds and where it hangs. */
import { actionView, run, type ActionId, type ToldOf } from '../actions';
import type { Chord } from './keys';

export type MenuItem =
  | {
      kind: 'item';
      label: string;
      run: () => void;
      keys?: Chord[];
      checked?: boolean;
      danger?: boolean;
      disabled?: boolean;
    }
  | { kind: 'separator' }
  | { kind: 'caption'; label: string };

class MenuState {
  items = $state.raw<MenuItem[]>([]);
  x = $state(0);
  y = $state(0);
  open = $state(false);
  /** What it is a menu of, for a screen reader. */
  label = $state('Menu');

  /** Opens at a point, such as where the right button was pressed. */
  at(x: number, y: number, items: MenuItem[], label = 'Menu'): void {
    this.items = items;
    this.x = x;
    this.y = y;
    this.label = label;
    this.open = true;
  }

  /** Opens under a button. */
  under(element: HTMLElement, items: MenuItem[], label = 'Menu'): void {
    const box = element.getBoundingClientRect();
    this.at(box.left, box.bottom + 4, items, label);
  }

  close(): void {
    this.open = false;
  }
}

export const menu = new MenuState();

export const separator: MenuItem = { kind: 'separator' };

/** A menu item that does an action. */
export function doing<I extends ActionId>(id: I, told: ToldOf<I>, label?: string): MenuItem {
  const view = actionView(id);
  const go = run as (id: ActionId, ...told: unknown[]) => void;
  return {
    kind: 'item',
    label: label ?? view.title,
    keys: view.keys,
    run: () => (told === undefined ? go(id) : go(id, told)),
  };
}

/** A menu item of its own. */
export function item(
  label: string,
  work: () => void,
  more: { checked?: boolean; danger?: boolean; disabled?: boolean } = {},
): MenuItem {
  return { kind: 'item', label, run: work, ...more };
}
