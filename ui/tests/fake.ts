/** A backend whose calls are watched. Every command answers null unless it is given here. */
import { vi } from 'vitest';

import type { Backend, Commands, EventName, EventValue, NodeView, TerminalSettings } from '../src/backend';
import { connect } from '../src/backend';

/** Waits until `check` no longer throws; the deadline is for what never comes, not for a busy machine. */
export const eventually = (check: () => void) => vi.waitFor(check, { timeout: 60_000 });

export interface Fake {
  calls: [name: string, ...given: unknown[]][];
  of: (name: keyof Commands) => unknown[][];
  emit: <E extends EventName>(name: E, value: EventValue<E>) => void;
}

export async function fakeBackend(answers: Partial<Commands> = {}): Promise<Fake> {
  const calls: Fake['calls'] = [];
  const heard = new Map<EventName, ((value: never) => void)[]>();
  const commands = new Proxy({} as Commands, {
    get:
      (_, name: string) =>
      (...given: unknown[]) => {
        calls.push([name, ...given]);
        const answer = answers[name as keyof Commands] as ((...given: unknown[]) => unknown) | undefined;
        return answer === undefined ? Promise.resolve(null) : answer(...given);
      },
  });
  const backend: Backend = {
    commands,
    listen: (name, hear) => {
      heard.set(name, [...(heard.get(name) ?? []), hear]);
      return Promise.resolve(() => undefined);
    },
  };
  await connect(backend);
  return {
    calls,
    of: (name) => calls.filter(([called]) => called === name).map(([, ...given]) => given),
    emit: (name, value) => heard.get(name)?.forEach((hear) => hear(value as never)),
  };
}

export function node(change: Partial<NodeView> = {}): NodeView {
  return {
    id: 'i-0f1dab9d426f55a54',
    name: 'web-1',
    ping: 'online',
    lastPingMs: 0,
    privateIp: '10.0.4.12',
    publicIp: null,
    zone: 'eu-west-1a',
    platform: 'linux',
    platformName: 'Amazon Linux 2023',
    agentVersion: '3.3.1142.0',
    agentLatest: true,
    instanceType: 't3.medium',
    instanceState: 'running',
    vpcId: 'vpc-1',
    subnetId: 'subnet-1',
    role: 'instance',
    arn: 'arn:aws:ec2:eu-west-1:1:instance/i-0f1dab9d426f55a54',
    tags: { Env: 'prod', App: 'shop' },
    ...change,
  };
}

export const terminalSettings: TerminalSettings = {
  fontFamily: '',
  fontSize: 13,
  scrollbackLines: 1000,
  cursor: 'block',
  cursorBlink: false,
  copyOnSelect: false,
  warnMultiLinePaste: true,
  bell: true,
};
