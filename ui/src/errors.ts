/** One table from an error's code to its title, its advice and the buttons that help. */
import type { AppError, ErrorCode } from './backend';

/** A thing the user can do about a failure. Each place knows how to do those that fit it. */
export type Remedy =
  | 'signIn'
  | 'retry'
  | 'reconnect'
  | 'diagnose'
  | 'useFreePort'
  | 'edit'
  | 'addAccount'
  | 'editAccount'
  | 'openSettings';

export type Weight = 'warn' | 'bad';

export interface ErrorWords {
  title: string;
  advice: string;
  severity: Weight;
  remedies: Remedy[];
}

const words: Record<ErrorCode, ErrorWords> = {
  signInExpired: {
    title: 'Sign-in expired',
    advice: 'Sign in again; what was waiting goes on by itself.',
    severity: 'warn',
    remedies: ['signIn'],
  },
  credentialsInvalid: {
    title: 'Credentials not accepted',
    advice: 'Check the profile in the AWS config file, or add the account again.',
    severity: 'bad',
    remedies: ['retry', 'addAccount'],
  },
  accessDenied: {
    title: 'Not allowed',
    advice: 'Ask an administrator for the permission named in the details.',
    severity: 'bad',
    remedies: ['retry'],
  },
  throttled: {
    title: 'AWS asks to slow down',
    advice: 'Too many calls in a short time. Try again in a moment.',
    severity: 'warn',
    remedies: ['retry'],
  },
  unreachable: {
    title: 'AWS can’t be reached',
    advice: 'Check the network, the VPN and the proxy settings of this computer.',
    severity: 'bad',
    remedies: ['retry'],
  },
  nodeNotConnected: {
    title: 'The node is not connected',
    advice: 'Its agent does not answer. The diagnosis says what is missing.',
    severity: 'bad',
    remedies: ['diagnose', 'retry'],
  },
  sessionEnded: {
    title: 'The session is over',
    advice: 'It can’t be taken up again. Reconnect to start a new one.',
    severity: 'warn',
    remedies: ['reconnect'],
  },
  documentInvalid: {
    title: 'The session document does not fit',
    advice: 'The account’s session document refuses this kind of session. An administrator can change it.',
    severity: 'bad',
    remedies: ['retry'],
  },
  encryptionRefused: {
    title: 'The session can’t be encrypted',
    advice: 'The account asks for an encryption key that you or the node may not use. Both need kms:Decrypt.',
    severity: 'bad',
    remedies: ['retry'],
  },
  agentTooOld: {
    title: 'The agent is too old',
    advice: 'Update the SSM Agent on the node, then try again.',
    severity: 'bad',
    remedies: ['retry'],
  },
  remoteRefused: {
    title: 'The far end does not answer',
    advice: 'Check the remote host and port, and that the node may reach them.',
    severity: 'bad',
    remedies: ['edit', 'retry'],
  },
  portTaken: {
    title: 'The local port is taken',
    advice: 'Use another port, or stop the program that holds this one.',
    severity: 'bad',
    remedies: ['useFreePort', 'edit'],
  },
  portForbidden: {
    title: 'The local port may not be used',
    advice: 'Ports below 1024 and foreign addresses need rights Adit does not have.',
    severity: 'bad',
    remedies: ['useFreePort', 'edit'],
  },
  keyringUnavailable: {
    title: 'The system keyring is locked or missing',
    advice:
      'Start or unlock the keyring, then quit Adit and start it again. An AWS config file needs no keyring.',
    severity: 'bad',
    remedies: ['retry'],
  },
  fileSetAside: {
    title: 'A file could not be read',
    advice: 'It was set aside under another name and defaults are in use.',
    severity: 'warn',
    remedies: ['openSettings'],
  },
  fileUnwritable: {
    title: 'Changes are not saved',
    advice: 'Check that the disk is not full and the settings folder may be written.',
    severity: 'bad',
    remedies: ['retry'],
  },
  configInvalid: {
    title: 'The AWS config file can’t be read',
    advice: 'Mend the line named in the details; Adit reads the file again by itself.',
    severity: 'bad',
    remedies: ['retry'],
  },
  notFound: {
    title: 'It is no longer there',
    advice: 'It was removed meanwhile.',
    severity: 'warn',
    remedies: [],
  },
  invalid: {
    title: 'That does not work',
    advice: 'Change the value named above.',
    severity: 'warn',
    remedies: ['edit'],
  },
  sandboxUnavailable: {
    title: 'The sandbox did not start',
    advice: 'Try again; if it stays like this, add an account of your own.',
    severity: 'bad',
    remedies: ['retry', 'addAccount'],
  },
  internal: {
    title: 'Something went wrong',
    advice: 'Try again. If it keeps happening, report it with the details below.',
    severity: 'bad',
    remedies: ['retry'],
  },
};

/** The words for an error: its title, its advice, its remedies. */
export function wordsFor(error: AppError): ErrorWords {
  return words[error.code] ?? words.internal;
}

const labels: Record<Remedy, string> = {
  signIn: 'Sign in',
  retry: 'Retry',
  reconnect: 'Reconnect',
  diagnose: 'Diagnose',
  useFreePort: 'Use another port',
  edit: 'Change…',
  addAccount: 'Add account…',
  editAccount: 'Edit account…',
  openSettings: 'Settings',
};

/** The button's label; a free port is named. */
export function remedyLabel(remedy: Remedy, freePort: number | null = null): string {
  return remedy === 'useFreePort' && freePort !== null ? `Use ${freePort}` : labels[remedy];
}

/** All of an error as plain text, for the clipboard. */
export function errorText(error: AppError): string {
  return [wordsFor(error).title, error.message, `code: ${error.code}`, error.detail]
    .filter((line) => line !== null && line !== '')
    .join('\n');
}
