import { encodeStun } from '../stun/codec.ts';
import { longTermKey, userhash, verifyIntegrity } from '../stun/integrity.ts';
import type { IntegrityAlgorithm, KeyAlgorithm } from '../stun/integrity.ts';
import type { PasswordAlgorithm, StunAttributes, StunMessage } from '../stun/message.ts';

/** RFC 8489 s9.2: what a server prepends to its nonces when it knows that RFC; four base64 characters of features follow. */
const NONCE_COOKIE = /^obMatJos2([A-Za-z0-9+/]{4})/;
/** RFC 8489 s18.1, bits 0 and 1 of the 24. */
const PASSWORD_ALGORITHMS_BIT = 0x80;
const USERNAME_ANONYMITY_BIT = 0x40;
/** RFC 8489 s18.5. */
const KEY_ALGORITHMS: ReadonlyMap<number, KeyAlgorithm> = new Map([
  [1, 'md5'],
  [2, 'sha256'],
]);

/** What the server's last challenge asks for. */
interface Session {
  readonly realm: string;
  readonly nonce: string;
  readonly key: Uint8Array;
  readonly integrity: IntegrityAlgorithm;
  readonly anonymous: boolean;
  readonly passwordAlgorithm: PasswordAlgorithm | undefined;
  readonly passwordAlgorithms: readonly PasswordAlgorithm[] | undefined;
}

/**
 * User and password at one server (RFC 8489 s9.2): nothing is sent of them before its challenge, and never the password itself.
 * SHA-256 is used where the server offers it first. No answer of a server ends them.
 */
export class LongTermCredentials {
  private readonly username: string;
  private readonly password: string;
  private session: Session | undefined;

  constructor({ username, password }: { readonly username: string; readonly password: string }) {
    this.username = opaqueString(username);
    this.password = opaqueString(password);
  }

  /** The realm of the last challenge: a request of this realm that gets 401 was refused. */
  get realm(): string | undefined {
    return this.session?.realm;
  }

  /**
   * The server has answered 401 or 438 to a request that named `realm` (undefined: one without credentials).
   * @returns whether the request is to be sent again. Not so when nothing in it would be another, when no algorithm of the
   *   server is known here, and when somebody has cut the algorithms out (s9.2.1).
   */
  challenged(code: 401 | 438, attributes: StunAttributes, realm: string | undefined): boolean {
    const { nonce, passwordAlgorithms } = attributes;
    const named = attributes.realm ?? this.session?.realm;
    if (nonce === undefined || named === undefined) return false;
    if (code === 401 && realm === named) return false;
    const features = featuresOf(nonce);
    if ((features & PASSWORD_ALGORITHMS_BIT) !== 0 && passwordAlgorithms === undefined) return false;
    const passwordAlgorithm = passwordAlgorithms?.find(({ number }) => KEY_ALGORITHMS.has(number));
    if (passwordAlgorithms !== undefined && passwordAlgorithm === undefined) return false;
    const algorithm = passwordAlgorithm === undefined ? 'md5' : (KEY_ALGORITHMS.get(passwordAlgorithm.number) ?? 'md5');
    this.session = {
      realm: named,
      nonce,
      key: longTermKey(this.username, opaqueString(named.replaceAll('"', '')), this.password, algorithm),
      // s9.2.5: "If the response contains a PASSWORD-ALGORITHMS attribute, [...] MESSAGE-INTEGRITY-SHA256 only."
      integrity: passwordAlgorithms === undefined ? 'sha1' : 'sha256',
      anonymous: (features & USERNAME_ANONYMITY_BIT) !== 0,
      passwordAlgorithm,
      passwordAlgorithms,
    };
    return true;
  }

  /** The request as it is sent: with credentials once the server has asked for them. */
  encode(message: StunMessage): Uint8Array {
    const { session } = this;
    if (session === undefined) return encodeStun(message, { fingerprint: true });
    const { realm, nonce, key, integrity, anonymous, passwordAlgorithm, passwordAlgorithms } = session;
    const who = anonymous ? { userhash: userhash(this.username, realm) } : { username: this.username };
    const attributes: StunAttributes = {
      ...message.attributes,
      ...who,
      realm,
      nonce,
      ...(passwordAlgorithm === undefined ? {} : { passwordAlgorithm }),
      ...(passwordAlgorithms === undefined ? {} : { passwordAlgorithms }),
    };
    return encodeStun({ ...message, attributes }, { key, integrity, fingerprint: true });
  }

  /** Whether this answer is from who knows the password. A server that asked for none need not know it. */
  vouches(raw: Uint8Array, answer: StunMessage): boolean {
    const { session } = this;
    if (session === undefined) return true;
    if (session.integrity === 'sha256' && answer.integrity?.sha256 === undefined) return false;
    return verifyIntegrity(raw, answer, session.key);
  }
}

function featuresOf(nonce: string): number {
  const encoded = NONCE_COOKIE.exec(nonce)?.[1];
  return encoded === undefined ? 0 : (Buffer.from(encoded, 'base64')[0] ?? 0);
}

/** RFC 8265 s4.2.2, as far as it changes text that can be typed: spaces of other scripts, composed characters. */
function opaqueString(text: string): string {
  return text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC');
}
