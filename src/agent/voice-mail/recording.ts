/** What somebody has said, to be left for a member. */
export interface Recording {
  /** Ogg Opus. */
  readonly ogg: Uint8Array;
  readonly seconds: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The caller as shown: `carol@home.example`, or a number. */
  readonly from: string;
}

/** A message in the mailbox. */
export interface Message {
  /** Hexadecimal. */
  readonly id: string;
  /** The member whose host has left it, which its signature proves; a number, where that is a gateway of this host. */
  readonly from: string;
  /** Milliseconds since the epoch, by the caller's clock. */
  readonly at: number;
  readonly seconds: number;
  /** Nobody has heard it on this host. */
  readonly isNew: boolean;
  /** False: parts of it were missing, or it was no recording, when it was read last. */
  readonly isWhole: boolean;
}
