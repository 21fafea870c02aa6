import type X from '@lucide/svelte/icons/x';

/** An icon of the one set. */
export type Icon = typeof X;
