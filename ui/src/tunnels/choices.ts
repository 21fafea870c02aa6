/** What the form offers, given by the frame. */
import type { ProfileId, TargetView } from '../backend';

export interface NodeChoice {
  target: TargetView;
  online: boolean;
}

export interface AccountChoice {
  id: ProfileId;
  label: string;
  regions: string[];
}
