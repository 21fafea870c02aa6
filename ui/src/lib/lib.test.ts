import { describe, expect, it, vi } from 'vitest';

import { Debounce } from './debounce';
import { ago, bytes, count, duration, plural } from './format';
import { Notices } from './notices.svelte';
import { reveal, slice } from './virtual';

describe('format', () => {
  it('writes numbers and sizes', () => {
    expect(count(9812)).toBe('9\u202f812');
    expect(plural(1, 'tunnel')).toBe('1 tunnel');
    expect(plural(3, 'tunnel')).toBe('3 tunnels');
    expect(bytes(0)).toBe('0 B');
    expect(bytes(1_234_000)).toBe('1.2 MB');
    expect(bytes(999_900)).toBe('1.0 MB');
  });

  it('writes times', () => {
    expect(duration(40_000)).toBe('40 s');
    expect(duration(11_520_000)).toBe('3 h 12 min');
    expect(duration(2 * 86_400_000)).toBe('2 d');
    expect(ago(0, 2000)).toBe('just now');
    expect(ago(0, 3 * 3_600_000 + 60_000)).toBe('3 h ago');
  });
});

describe('virtual rows', () => {
  it('draws what is in sight and a few around it', () => {
    expect(slice(0, 320, 32, 10_000)).toEqual({ from: 0, to: 18 });
    expect(slice(3200, 320, 32, 10_000)).toEqual({ from: 92, to: 118 });
    expect(slice(3200, 320, 32, 5)).toEqual({ from: 5, to: 5 });
  });

  it('scrolls only as far as it must', () => {
    expect(reveal(3, 0, 320, 32)).toBe(0);
    expect(reveal(20, 0, 320, 32)).toBe(352);
    expect(reveal(2, 320, 320, 32)).toBe(64);
  });
});

describe('debounce', () => {
  it('works once after the last poke, or at once when flushed', () => {
    vi.useFakeTimers();
    const work = vi.fn();
    const debounce = new Debounce(100, work);
    debounce.poke();
    debounce.poke();
    vi.advanceTimersByTime(100);
    expect(work).toHaveBeenCalledTimes(1);
    debounce.poke();
    debounce.flush();
    debounce.flush();
    expect(work).toHaveBeenCalledTimes(2);
    vi.useRealTimers();
  });
});

describe('notices', () => {
  it('replaces by id, lets good news go and keeps trouble', () => {
    vi.useFakeTimers();
    const notices = new Notices();
    const put = (id: string, severity: 'info' | 'bad') =>
      notices.put({ id, severity, text: id, error: null, profileId: null, action: null });
    put('a', 'info');
    put('b', 'bad');
    put('a', 'info');
    expect(notices.list.map(({ id }) => id)).toEqual(['b', 'a']);
    vi.advanceTimersByTime(10_000);
    expect(notices.list.map(({ id }) => id)).toEqual(['b']);
    vi.useRealTimers();
  });
});
