/** Numbers, sizes and times in words. */

const thin = '\u202f';

/** `9 812`, with a narrow space. */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, thin);
}

/** `1 tunnel`, `3 tunnels`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `1.2 MB`, in powers of ten. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** `1.2 MB/s`. */
export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

/** `40 s`, `22 min`, `3 h 12 min`, `5 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** The largest unit only: `3 h`. */
export function roughly(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  return hours >= 1 && hours < 24 ? `${hours} h` : duration(ms);
}

/** `40 s ago`, `just now`. */
export function ago(atMs: number, nowMs: number): string {
  const passed = nowMs - atMs;
  return passed < 5000 ? 'just now' : `${roughly(passed)} ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const precise = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});

/** `today 09:14`, `yesterday 17:40`, `12 Nov 08:00`. */
export function day(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  if (atMs >= midnight) return `today ${clock.format(at)}`;
  if (atMs >= midnight - 86_400_000) return `yesterday ${clock.format(at)}`;
  return `${date.format(at)} ${clock.format(at)}`;
}

/** `09:14:02`. */
export function second(atMs: number): string {
  return precise.format(new Date(atMs));
}
