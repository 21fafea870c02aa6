import { describe, expect, it } from 'vitest';

import type { ProfileView } from '../backend';
import { grouped, Profiles } from './profiles.svelte';

const profile = (id: string, change: Partial<ProfileView> = {}): ProfileView => ({
  id,
  name: id,
  label: id,
  colour: 'blue',
  kind: 'configFile',
  group: null,
  accountId: null,
  principal: null,
  signIn: { state: 'unknown' },
  regions: [],
  availableRegions: [],
  hidden: false,
  ...change,
});

describe('profiles', () => {
  it('lists accounts under their captions, in the order given', () => {
    const groups = grouped([profile('a', { group: 'acme' }), profile('b'), profile('c', { group: 'acme' })]);
    expect(groups.map(({ caption, profiles }) => [caption, profiles.map(({ id }) => id)])).toEqual([
      ['acme', ['a', 'c']],
      ['Accounts', ['b']],
    ]);
  });

  it('knows when there is nothing but the sandbox', () => {
    const profiles = new Profiles();
    expect(profiles.sandboxOnly).toBe(false);
    profiles.take({ profiles: [profile('s', { kind: 'sandbox' })], problem: null, newSignIn: null });
    expect(profiles.sandboxOnly).toBe(true);
    profiles.take({
      profiles: [profile('s', { kind: 'sandbox' }), profile('own')],
      problem: null,
      newSignIn: null,
    });
    expect(profiles.sandboxOnly).toBe(false);
  });

  it('has a look for an account that is gone', () => {
    expect(new Profiles().look('old')).toEqual({ label: 'old', colour: 'grey' });
  });
});
