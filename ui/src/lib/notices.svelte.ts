/** Short messages at the foot of the window, for what belongs to no place on screen. */
import type { AppError, ProfileId, Severity } from '../backend';

export interface Notice {
  id: string;
  severity: Severity;
  text: string;
  error: AppError | null;
  profileId: ProfileId | null;
  /** One thing to do about it. */
  action: { label: string; run: () => void } | null;
}

/** Good news goes by itself; trouble stays until it is closed. */
const goesAfterMs = 6000;
const most = 4;

export class Notices {
  list = $state.raw<Notice[]>([]);
  #next = 0;

  put(notice: Notice): void {
    this.list = [...this.list.filter(({ id }) => id !== notice.id), notice].slice(-most);
    const stays = notice.severity === 'warn' || notice.severity === 'bad';
    if (!stays) setTimeout(() => this.close(notice.id), goesAfterMs);
  }

  say(text: string, action: Notice['action'] = null): void {
    this.put({ id: this.#id(), severity: 'info', text, error: null, profileId: null, action });
  }

  fail(error: AppError): void {
    this.put({ id: this.#id(), severity: 'bad', text: error.message, error, profileId: null, action: null });
  }

  close(id: string): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }

  #id(): string {
    this.#next += 1;
    return `own-${this.#next}`;
  }
}

export const notices = new Notices();
