/** A command run on one or several nodes, without a terminal. */
import { asAppError, call, type AppError, type CommandResultView, type TargetView } from '../backend';

export type Outcome =
  | { state: 'waiting' }
  | { state: 'running' }
  | { state: 'done'; result: CommandResultView }
  | { state: 'failed'; error: AppError };

export interface Job {
  target: TargetView;
  outcome: Outcome;
}

/** So many nodes at once. */
const lanes = 8;

export class Running {
  targets = $state.raw<TargetView[] | null>(null);
  jobs = $state.raw<Job[]>([]);
  command = $state('');
  readonly busy = $derived(
    this.jobs.some(({ outcome }) => outcome.state === 'waiting' || outcome.state === 'running'),
  );

  /** Opens the form for these nodes. */
  ask(targets: TargetView[]): void {
    this.targets = targets;
    this.jobs = [];
  }

  close(): void {
    this.targets = null;
    this.jobs = [];
  }

  async start(): Promise<void> {
    const command = this.command.trim();
    if (command === '' || this.targets === null || this.busy) return;
    const jobs: Job[] = this.targets.map((target) => ({ target, outcome: { state: 'waiting' } }));
    this.jobs = jobs;
    let next = 0;
    const lane = async () => {
      for (let at = next++; at < jobs.length; at = next++) await this.#one(jobs, at, command);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  async #one(jobs: Job[], at: number, command: string): Promise<void> {
    const job = jobs[at];
    if (job === undefined) return;
    const tell = (outcome: Outcome) => {
      jobs[at] = { ...job, outcome };
      // A later start has its own list.
      if (this.jobs.length === jobs.length && this.targets !== null) this.jobs = [...jobs];
    };
    tell({ state: 'running' });
    try {
      tell({ state: 'done', result: await call.nodeRun(job.target, command) });
    } catch (thrown) {
      tell({ state: 'failed', error: asAppError(thrown) });
    }
  }
}

export const running = new Running();
