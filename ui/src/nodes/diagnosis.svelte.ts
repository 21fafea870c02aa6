/** The answer to "Why?" for one node at a time. */
import { asAppError, call, type AppError, type DiagnosisView, type TargetView } from '../backend';
import { keyOf } from './row';

type Progress =
  { state: 'looking' } | { state: 'found'; view: DiagnosisView } | { state: 'failed'; error: AppError };

class Diagnosis {
  /** Key of the node looked at. */
  of = $state<string | null>(null);
  progress = $state.raw<Progress>({ state: 'looking' });

  async look(target: TargetView): Promise<void> {
    const key = keyOf(target);
    this.of = key;
    this.progress = { state: 'looking' };
    const progress = await call.nodeDiagnose(target).then(
      (view): Progress => ({ state: 'found', view }),
      (thrown: unknown): Progress => ({ state: 'failed', error: asAppError(thrown) }),
    );
    if (this.of === key) this.progress = progress;
  }

  close(): void {
    this.of = null;
  }
}

export const diagnosis = new Diagnosis();
