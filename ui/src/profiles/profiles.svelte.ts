/** The accounts: what they are called, how they look, whether they are signed in. */
import {
  attempt,
  call,
  type AccountRequest,
  type ProfileChange,
  type ProfileId,
  type ProfileView,
  type ProfilesView,
} from '../backend';
import type { AccountLook } from '../lib/account';

export class Profiles {
  view = $state.raw<ProfilesView>({ profiles: [], problem: null, newSignIn: null });
  /** The account whose edit form is open. */
  editing = $state<ProfileId | null>(null);
  /** The form for a new account is open, at one of its ways. */
  adding = $state(false);
  way = $state<AccountRequest['kind']>('sso');

  readonly #byId = $derived(new Map(this.view.profiles.map((profile) => [profile.id, profile])));
  /** Nothing but the sandbox is there. */
  readonly sandboxOnly = $derived(
    this.view.profiles.length > 0 && this.view.profiles.every((profile) => profile.kind === 'sandbox'),
  );

  take(view: ProfilesView): void {
    this.view = view;
  }

  find(id: ProfileId): ProfileView | undefined {
    return this.#byId.get(id);
  }

  look(id: ProfileId): AccountLook {
    const profile = this.#byId.get(id);
    return { label: profile?.label ?? id, colour: profile?.colour ?? 'grey' };
  }

  ask(way: AccountRequest['kind']): void {
    this.way = way;
    this.adding = true;
  }

  signIn(id: ProfileId): void {
    attempt(call.signIn(id));
  }

  cancelSignIn(id: ProfileId): void {
    attempt(call.signInCancel(id));
  }

  change(id: ProfileId, change: ProfileChange): void {
    attempt(call.profileChange(id, change));
  }

  /** Rejects with the reason when the account could not be added; null when it was given up. */
  add(request: AccountRequest): Promise<ProfileId | null> {
    return call.accountAdd(request);
  }

  /** Waits no longer for the browser. */
  giveUpAdding(): void {
    attempt(call.accountAddCancel());
  }
}

export const profiles = new Profiles();

/** Captions with their accounts, in the order given. */
export function grouped(list: ProfileView[]): { caption: string; profiles: ProfileView[] }[] {
  const groups: { caption: string; profiles: ProfileView[] }[] = [];
  for (const profile of list) {
    const caption = profile.group ?? 'Accounts';
    const group = groups.find((known) => known.caption === caption);
    if (group === undefined) groups.push({ caption, profiles: [profile] });
    else group.profiles.push(profile);
  }
  return groups;
}
