import type { AppError } from './bindings';

/** A command that could not do what was asked. */
export class AppFailure extends Error {
  constructor(readonly error: AppError) {
    super(error.message);
    this.name = 'AppFailure';
  }
}

/** Turns whatever was thrown into an `AppError`. */
export function asAppError(thrown: unknown): AppError {
  if (thrown instanceof AppFailure) return thrown.error;
  const detail = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return { code: 'internal', message: 'Something went wrong inside Adit.', detail };
}
