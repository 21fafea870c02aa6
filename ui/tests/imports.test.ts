import { describe, expect, it } from 'vitest';

/** Every source file by its path from `src`, as text. */
const sources = Object.fromEntries(
  Object.entries(
    import.meta.glob<string>(['../src/**/*.ts', '../src/**/*.svelte', '!../src/**/*.test.ts'], {
      query: '?raw',
      import: 'default',
      eager: true,
    }),
  ).map(([path, text]) => [path.replace('../src/', ''), text]),
);

/** The files that `path` imports for more than their types. */
function imported(path: string): string[] {
  const text = sources[path] ?? '';
  const names = [...text.matchAll(/^\s*(?:import|export)\s+(?!type\b)[^;]*?from\s+'(\.[^']+)'/gm)];
  return names.flatMap(([, name]) => resolve(path, name ?? ''));
}

function resolve(from: string, name: string): string[] {
  const parts = from.split('/').slice(0, -1);
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  const path = parts.join('/');
  // A component that draws itself within itself is no circle.
  return [path, `${path}.ts`].filter((each) => each in sources && each !== from);
}

/** The first circle reached from any file, as the files along it. */
function circle(): string[] {
  const done = new Set<string>();
  const walk = (path: string, way: string[]): string[] => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of imported(path)) {
      const found = walk(next, [...way, path]);
      if (found.length > 0) return found;
    }
    done.add(path);
    return [];
  };
  for (const path of Object.keys(sources)) {
    const found = walk(path, []);
    if (found.length > 0) return found;
  }
  return [];
}

describe('imports', () => {
  it('are followed', () => {
    expect(imported('main.ts')).toContain('views/start.ts');
  });

  it('form no circle', () => {
    expect(circle()).toEqual([]);
  });
});
