import type { MessageCounts } from '../../sip/voice-mail/message-lamp.ts';
import type { Message, Recording } from './recording.ts';

/** What the hosts of a member say to whoever calls in vain. */
export interface MailboxOffer {
  /** So long it rings before. */
  readonly ringMs: number;
  /** Of a recording. */
  readonly maxSeconds: number;
  /** Ogg Opus; undefined: there is none, or the overlay does not give it now. Never rejects. */
  readonly greeting: () => Promise<Uint8Array | undefined>;
}

/** Voice mail, for whoever answers calls and plays messages. */
export interface VoiceMailPort {
  /**
   * Never rejects, and takes two seconds at most: to be asked at every call set-up.
   * @param user `bob@home.example`
   * @returns undefined: the member takes no voice mail, or the overlay does not say.
   */
  offerOf(user: string): Promise<MailboxOffer | undefined>;
  /**
   * Whether what is said for a member would have room here, and in the overlay as far as it says. To be asked before anybody speaks. Rejects
   * when the overlay does not say.
   * @param underWay recordings that are being made
   */
  hasRoomFor(user: string, underWay: number): Promise<boolean>;
  /**
   * Leaves a recording for a member. It is on the disk when this has returned its promise, and is tried until it is stored, in the next
   * life of the agent, too, and where a mailbox is full until it has room: the promise may stay open for long.
   * @returns when the overlay has it.
   * @throws {IdlocError} when nobody takes it: `bad_recording`, `outbox_full`, `recording_expired`.
   */
  leave(user: string, recording: Recording): Promise<void>;
  /** Of this host's user, the oldest first. @throws {IdlocError} `no_mailbox`, `mail_unavailable` */
  list(): Promise<readonly Message[]>;
  /** Ogg Opus. @throws {IdlocError} `no_such_message`, `mail_unavailable`; `mail_broken`: after a while it counts as heard */
  read(id: string): Promise<Uint8Array>;
  /** On this host. What is not known is passed over. */
  markHeard(ids: readonly string[]): Promise<void>;
  /** For all hosts of the user. @throws {IdlocError} `no_such_message`, `mail_unavailable` */
  remove(ids: readonly string[]): Promise<void>;
  /** Called with each change; now, too, where the counts are known. */
  onChange(listener: (counts: MessageCounts) => void): void;
}
