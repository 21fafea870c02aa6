/**
 * The one door to the app behind the window. Nothing else imports the bindings or the shell.
 * Commands reject with `AppFailure`; events carry the whole new value of one thing.
 */
import { Channel } from '@tauri-apps/api/core';

import * as bindings from './bindings';
import type { AppError, TerminalId, TargetView, TerminalSize } from './bindings';
import { AppFailure, asAppError } from './failure';

export { asAppError } from './failure';

export type * from './bindings';

type Generated = typeof bindings.commands;
type Answer<F> = F extends (...given: infer A) => Promise<infer R>
  ? (...given: A) => Promise<Extract<R, { status: 'ok' }> extends { data: infer D } ? D : never>
  : never;

/** Every command, with plain answers. Output of a terminal comes as pieces of raw bytes. */
export type Commands = { [K in Exclude<keyof Generated, 'terminalOpen'>]: Answer<Generated[K]> } & {
  terminalOpen: (
    id: TerminalId,
    target: TargetView,
    size: TerminalSize,
    output: (piece: ArrayBuffer) => void,
  ) => Promise<null>;
};

type GeneratedEvents = typeof bindings.events;
export type EventName = keyof GeneratedEvents;
export type EventValue<E extends EventName> = Parameters<
  Parameters<GeneratedEvents[E]['listen']>[0]
>[0] extends { payload: infer P }
  ? P
  : never;

/** What stands behind the window: the app, or the pretend one of `mock/`. */
export interface Backend {
  commands: Commands;
  listen: <E extends EventName>(name: E, hear: (value: EventValue<E>) => void) => Promise<() => void>;
}

/** The commands. Usable once `connect` has answered. */
export let call: Commands;
let behind: Backend;

/** Takes the real backend, the pretend one in a plain browser, or the one given (tests). */
export async function connect(given?: Backend): Promise<void> {
  behind = given ?? (await choose());
  call = behind.commands;
}

/** Hears an event until the returned function is called. */
export function on<E extends EventName>(name: E, hear: (value: EventValue<E>) => void): Promise<() => void> {
  return behind.listen(name, hear);
}

/** Runs a command whose failure needs no words where it was asked for; it is told as a notice. */
export function attempt(work: Promise<unknown>): void {
  work.catch((thrown: unknown) => tell(asAppError(thrown)));
}

let tell: (error: AppError) => void = (error) => console.error(error.message, error.detail);

/** Says who shows the failures of `attempt`. */
export function tellFailuresTo(teller: (error: AppError) => void): void {
  tell = teller;
}

async function choose(): Promise<Backend> {
  const mayPretend = import.meta.env.DEV || import.meta.env.MODE === 'mock';
  if (mayPretend && !('__TAURI_INTERNALS__' in window)) {
    const { pretend } = await import('./mock/backend');
    return pretend(new URLSearchParams(location.search));
  }
  return shell();
}

function shell(): Backend {
  const { terminalOpen, ...rest } = bindings.commands;
  const plain = Object.fromEntries(
    Object.entries(rest).map(([name, command]) => [name, unwrapped(command as Untyped)]),
  ) as unknown as Omit<Commands, 'terminalOpen'>;
  return {
    commands: {
      ...plain,
      terminalOpen: (id, target, size, output) => {
        const channel = new Channel<ArrayBuffer>();
        channel.onmessage = output;
        return unwrapped(terminalOpen)(id, target, size, channel);
      },
    },
    listen: (name, hear) =>
      bindings.events[name].listen((event) => hear(event.payload as EventValue<typeof name>)),
  };
}

type Result<T> = { status: 'ok'; data: T } | { status: 'error'; error: AppError };
type Untyped = (...given: unknown[]) => Promise<Result<unknown>>;

function unwrapped<A extends unknown[], T>(
  command: (...given: A) => Promise<Result<T>>,
): (...given: A) => Promise<T> {
  return async (...given) => {
    const result = await command(...given);
    if (result.status === 'error') throw new AppFailure(result.error);
    return result.data;
  };
}
