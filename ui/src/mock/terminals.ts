/** Pretend sessions: they start, echo, lose the network, end. */
import type { AppError, TargetView, TerminalId, TerminalState, TerminalStateView } from '../backend';
import { PretendShell } from './shell';

type Tell = (view: TerminalStateView) => void;

interface Session {
  view: TerminalStateView;
  shell: PretendShell;
  sent: number;
  acknowledged: number;
  waiting: Uint8Array[];
  output: (piece: ArrayBuffer) => void;
  kept: string;
}

const windowBytes = 1024 * 1024;
const pieceBytes = 64 * 1024;

export class PretendTerminals {
  readonly sessions = new Map<TerminalId, Session>();
  readonly scrollback = new Map<TerminalId, string>();

  constructor(
    private readonly tell: Tell,
    private readonly isOnline: (target: TargetView) => boolean,
    private readonly stepMs: number,
  ) {}

  open(id: TerminalId, target: TargetView, output: (piece: ArrayBuffer) => void): void {
    const view: TerminalStateView = {
      id,
      target,
      state: { state: 'starting', step: 'session' },
      user: null,
      idleEndMs: null,
      sessionId: null,
    };
    const session: Session = {
      view,
      output,
      sent: 0,
      acknowledged: 0,
      waiting: [],
      kept: '',
      shell: new PretendShell(
        target.nodeName,
        (text) => this.#print(session, text),
        () => this.change(id, { state: 'ended', reason: { kind: 'exited' } }),
      ),
    };
    this.sessions.set(id, session);
    this.tell(view);
    setTimeout(() => {
      if (!this.isOnline(target)) return this.change(id, { state: 'failed', error: notConnected(target) });
      this.change(id, { state: 'starting', step: 'agent' });
      setTimeout(() => {
        session.view = {
          ...session.view,
          user: 'ssm-user',
          sessionId: `dev-${id.slice(0, 8)}`,
          idleEndMs: Date.now() + 18.5 * 60_000,
        };
        this.change(id, { state: 'connected' });
        session.shell.greet();
      }, this.stepMs);
    }, this.stepMs);
  }

  write(id: TerminalId, data: string): void {
    const session = this.sessions.get(id);
    if (session?.view.state.state === 'reconnecting') session.kept += data;
    else session?.shell.type(data);
  }

  acknowledge(id: TerminalId, bytes: number): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    session.acknowledged += bytes;
    this.#flow(session);
  }

  retry(id: TerminalId): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.change(id, { state: 'connected' });
    session.shell.type(session.kept);
    session.kept = '';
  }

  change(id: TerminalId, state: TerminalState): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    session.view = {
      ...session.view,
      state,
      idleEndMs: state.state === 'connected' ? session.view.idleEndMs : null,
    };
    this.tell(session.view);
  }

  changeAll(state: TerminalState): void {
    for (const id of this.sessions.keys()) this.change(id, state);
  }

  close(id: TerminalId): void {
    this.sessions.delete(id);
    this.scrollback.delete(id);
  }

  #print(session: Session, text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let from = 0; from < bytes.length; from += pieceBytes)
      session.waiting.push(bytes.slice(from, from + pieceBytes));
    this.#flow(session);
  }

  /** Sends while the window allows, as the app would. */
  #flow(session: Session): void {
    while (session.sent - session.acknowledged < windowBytes) {
      const piece = session.waiting.shift();
      if (piece === undefined) return;
      session.sent += piece.byteLength;
      session.output(piece.buffer as ArrayBuffer);
    }
  }
}

function notConnected(target: TargetView): AppError {
  return {
    code: 'nodeNotConnected',
    message: `${target.nodeName} is not connected (TargetNotConnected). Its agent last pinged 3 h ago.`,
    detail: `TargetNotConnected: ${target.nodeId} is not connected.\nRequest id: 6f1c2a90-7a1f-4a5e-9d0e-2f6e0f7a4f11`,
  };
}
