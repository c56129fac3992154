import type { Namespace } from '../lab.ts';

/** Where a phone stands, and who it belongs to. */
export interface PhonePlace {
  readonly namespace: Namespace;
  /** For its configuration and logs; made when missing. */
  readonly directory: string;
  /** The account: user and domain, all that most people fill in. */
  readonly user: string;
  readonly domain: string;
  /** The agent's DNS stub. The namespace's resolver is that too. */
  readonly nameserver: string;
  /** The host's overlay addresses, for phones that have to be told where they are. */
  readonly ipv6: string;
  readonly ipv4: string;
  readonly speech: Speech;
}

/** What phones say: files. */
export interface Speech {
  /** WAV, 48 kHz, two channels. */
  readonly wideband: string;
  /** WAV, 48 kHz, one channel. */
  readonly mono: string;
  /** PCMU without a header, 8 kHz. */
  readonly pcmu: string;
}

/** A phone that no one here wrote, registered, steered as its user would; it answers at once. One call at a time. */
export interface LabPhone {
  dial(uri: string): Promise<void>;
  /** @throws {ScriptError} when time is up */
  established(timeoutMs: number): Promise<void>;
  /** Of a phone that calls for a time that is set, this waits for its end. */
  hangUp(): Promise<void>;
  /** Its call is over. @throws {ScriptError} when time is up */
  ended(timeoutMs: number): Promise<void>;
  /** Its registration is gone too. */
  stop(): Promise<void>;
}

export type PhoneMaker = (place: PhonePlace) => Promise<LabPhone>;
