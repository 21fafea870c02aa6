/** How an account looks, wherever it is named. The frame says; features only ask. */
import { getContext, setContext } from 'svelte';

import type { AccountColour, ProfileId } from '../backend';

export interface AccountLook {
  label: string;
  colour: AccountColour;
}

export type AccountLooks = (id: ProfileId) => AccountLook;

const key = Symbol('accounts');

export function setAccountLooks(looks: AccountLooks): void {
  setContext(key, looks);
}

export function accountLooks(): AccountLooks {
  return getContext<AccountLooks | undefined>(key) ?? ((id) => ({ label: id, colour: 'grey' }));
}
