import { describe, expect, it } from 'vitest';

import { AppFailure, asAppError } from './failure';
import { errorText, remedyLabel, wordsFor } from './errors';
import type { ErrorCode } from './backend';

const error = (code: ErrorCode, detail: string | null = null) => ({ code, message: 'It failed.', detail });

describe('errors', () => {
  it('offers the sign-in for an expired one, and only that', () => {
    expect(wordsFor(error('signInExpired'))).toMatchObject({
      title: 'Sign-in expired',
      severity: 'warn',
      remedies: ['signIn'],
    });
  });

  it('offers a diagnosis before another try for a node that is not connected', () => {
    expect(wordsFor(error('nodeNotConnected')).remedies).toEqual(['diagnose', 'retry']);
  });

  it('names the free port', () => {
    expect(remedyLabel('useFreePort', 5433)).toBe('Use 5433');
  });

  it('has words for a code it does not know', () => {
    expect(wordsFor(error('brandNew' as ErrorCode)).title).toBe('Something went wrong');
  });

  it('tells all of it as text', () => {
    expect(errorText(error('throttled', 'ThrottlingException'))).toBe(
      'AWS asks to slow down\nIt failed.\ncode: throttled\nThrottlingException',
    );
  });

  it('makes an error of anything thrown', () => {
    expect(asAppError(new AppFailure(error('notFound')))).toEqual(error('notFound'));
    expect(asAppError(new TypeError('x'))).toMatchObject({ code: 'internal', detail: 'TypeError: x' });
  });
});
