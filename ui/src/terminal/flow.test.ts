import { describe, expect, it, vi } from 'vitest';

import type { InputEncoding } from '../backend';
import { Input, pieceLength, waitingLimit } from './input';
import { Output, windowBytes } from './output';

function pending() {
  const writes: { data: string; encoding: InputEncoding; done: () => void; fail: (why: Error) => void }[] =
    [];
  const write = (data: string, encoding: InputEncoding) =>
    new Promise<void>((done, fail) => writes.push({ data, encoding, done, fail }));
  return { writes, write };
}
const settled = () => new Promise((resolve) => setTimeout(resolve));

describe('input', () => {
  it('has one write in flight and gathers what is typed meanwhile', async () => {
    const { writes, write } = pending();
    const input = new Input(write, vi.fn());
    for (const key of 'ls -l\r') input.push(key);
    expect(writes.map(({ data }) => data)).toEqual(['l']);
    writes[0]?.done();
    await settled();
    expect(writes.map(({ data }) => data)).toEqual(['l', 's -l\r']);
  });

  it('cuts a long paste into pieces, in order, never through a character', async () => {
    const { writes, write } = pending();
    const input = new Input(write, vi.fn());
    const text = `${'x'.repeat(pieceLength - 1)}🦀${'y'.repeat(10)}`;
    input.push(text);
    writes[0]?.done();
    await settled();
    expect(writes[0]?.data).toBe('x'.repeat(pieceLength - 1));
    expect(writes.map(({ data }) => data).join('')).toBe(text);
  });

  it('keeps text and bytes apart, in order', async () => {
    const { writes, write } = pending();
    const input = new Input(write, vi.fn());
    input.push('a');
    input.push('\x1b[M\xff', 'binary');
    input.push('b');
    writes[0]?.done();
    await settled();
    writes[1]?.done();
    await settled();
    expect(writes.map(({ data, encoding }) => [data, encoding])).toEqual([
      ['a', 'utf8'],
      ['\x1b[M\xff', 'binary'],
      ['b', 'utf8'],
    ]);
  });

  it('refuses more than it may hold', () => {
    const { write } = pending();
    const input = new Input(write, vi.fn());
    expect(input.push('x'.repeat(waitingLimit))).toBe(true);
    expect(input.push('x'.repeat(pieceLength + 1))).toBe(false);
  });

  it('drops what waits when a write fails, and goes on with what comes', async () => {
    const { writes, write } = pending();
    const failed = vi.fn();
    const input = new Input(write, failed);
    input.push('a');
    input.push('b');
    writes[0]?.fail(new Error('gone'));
    await settled();
    expect(failed).toHaveBeenCalledOnce();
    input.push('c');
    expect(writes.map(({ data }) => data)).toEqual(['a', 'c']);
  });

  it('writes nothing once stopped', async () => {
    const { writes, write } = pending();
    const input = new Input(write, vi.fn());
    input.push('a');
    input.push('b');
    input.stop();
    writes[0]?.done();
    await settled();
    expect(input.push('c')).toBe(false);
    expect(writes).toHaveLength(1);
  });
});

describe('output', () => {
  const piece = (bytes: number) => new ArrayBuffer(bytes);

  it('acknowledges each quarter of the window, once the screen has taken it', () => {
    const taken: (() => void)[] = [];
    const acknowledged: number[] = [];
    const output = new Output(
      (_, done) => taken.push(done),
      (bytes) => acknowledged.push(bytes),
    );
    for (let i = 0; i < 16; i += 1) output.take(piece(64 * 1024));
    expect(acknowledged).toEqual([]);
    taken.forEach((done) => done());
    expect(acknowledged).toEqual(new Array(4).fill(windowBytes / 4));
  });

  it('never leaves so much unacknowledged that the app must wait for ever', () => {
    let acknowledged = 0;
    let sent = 0;
    const output = new Output(
      (_, done) => done(),
      (bytes) => (acknowledged += bytes),
    );
    for (let i = 0; i < 5000; i += 1) {
      const size = 1 + ((i * 7919) % 65_536);
      expect(sent - acknowledged).toBeLessThan(windowBytes);
      sent += size;
      output.take(piece(size));
    }
    expect(sent - acknowledged).toBeLessThan(windowBytes / 4);
  });

  it('forgets the pieces of a session that is over', () => {
    const write = vi.fn();
    const output = new Output(write, vi.fn());
    output.stop();
    output.take(piece(10));
    expect(write).not.toHaveBeenCalled();
  });
});
