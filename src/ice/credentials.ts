import type { Random } from '../base/random.ts';
import { shortTermKey } from '../stun/integrity.ts';
import { PWD_BYTES, UFRAG_BYTES } from './constants.ts';

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** Both sides of one ICE session (RFC 8445 s9: a restart is another one). */
export interface Credentials {
  readonly local: IceCredentials;
  /** Undefined until the peer's are known. */
  readonly remote: IceCredentials | undefined;
}

export function randomCredentials(random: Random): IceCredentials {
  // The base64 alphabet is RFC 8445's ice-char; multiples of three bytes need no padding.
  const text = (count: number): string => Buffer.from(random.bytes(count)).toString('base64');
  return { ufrag: text(UFRAG_BYTES), pwd: text(PWD_BYTES) };
}

/** RFC 8445 s7.2.2: the fragment of who is asked, a colon, the fragment of who asks. */
export function usernameFor(asked: IceCredentials, asker: IceCredentials): string {
  return `${asked.ufrag}:${asker.ufrag}`;
}

export function splitUsername(username: string): { asked: string; asker: string } {
  const colon = username.indexOf(':');
  return colon < 0
    ? { asked: username, asker: '' }
    : { asked: username.slice(0, colon), asker: username.slice(colon + 1) };
}

export function keyOf(credentials: IceCredentials): Uint8Array {
  return shortTermKey(credentials.pwd);
}
