import { createHmac } from 'node:crypto';
import { equalSecrets } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../base/socket-address.ts';
import { longTermKey, verifyIntegrity, type IntegrityAlgorithm } from '../../stun/integrity.ts';
import type { PasswordAlgorithm, StunAttributes, StunMessage } from '../../stun/message.ts';
import { NONCE_MS } from './constants.ts';

/** RFC 8489 s9.2: the cookie, and bit 0 of the features: PASSWORD-ALGORITHMS. */
const NONCE_PREFIX = 'obMatJos2gAAA';
/** RFC 8489 s18.5: SHA-256 before MD5. */
const ALGORITHMS: readonly PasswordAlgorithm[] = [
  { number: 2, parameters: new Uint8Array(0) },
  { number: 1, parameters: new Uint8Array(0) },
];
const SECRET_BYTES = 32;
const MAC_DIGITS = 24;
/** Of one user, tried for one request. */
const MAX_PASSWORDS = 3;
const NOBODY: TurnUser = { name: '', password: '' };
const NONCE = /^obMatJos2gAAA([0-9a-f]{12})([0-9a-f]{24})$/;

export interface TurnUser {
  readonly name: string;
  readonly password: string;
}

/** Passwords of a user that has no fixed one: any of them will do, none: the user is not let in. */
export type PasswordsOf = (name: string) => readonly string[];

export type Verdict =
  | { readonly user: TurnUser; readonly key: Uint8Array; readonly integrity: IntegrityAlgorithm }
  | { readonly code: 400 | 401 | 438; readonly challenge: StunAttributes };

/**
 * Long-term credentials at the server (RFC 8489 s9.2.4). It remembers nothing of who asks: a nonce tells its own age, and holds
 * for one address.
 */
export class Authenticator {
  private readonly realm: string;
  private readonly users: ReadonlyMap<string, TurnUser>;
  private readonly passwordsOf: PasswordsOf;
  private readonly secret: Uint8Array;

  constructor(
    random: Random,
    options: { readonly realm: string; readonly users: readonly TurnUser[]; readonly passwordsOf: PasswordsOf },
  ) {
    this.realm = options.realm;
    this.passwordsOf = options.passwordsOf;
    this.users = new Map(options.users.map((user) => [user.name, user]));
    this.secret = random.bytes(SECRET_BYTES);
  }

  judge(request: StunMessage, raw: Uint8Array, remote: SocketAddress, now: number): Verdict {
    const { username, realm, nonce, passwordAlgorithm, passwordAlgorithms } = request.attributes;
    const refuse = (code: 400 | 401 | 438): Verdict => ({
      code,
      challenge: code === 400 ? {} : this.challenge(remote, now),
    });
    if (request.integrity?.sha1 === undefined && request.integrity?.sha256 === undefined) return refuse(401);
    if (username === undefined || realm === undefined || nonce === undefined) return refuse(400);
    const age = this.ageOf(nonce, remote, now);
    if (age === undefined || age > NONCE_MS) return refuse(438);
    // Who has cut our algorithms out is found out by the client's own list.
    if ((passwordAlgorithm === undefined) !== (passwordAlgorithms === undefined)) return refuse(400);
    if (passwordAlgorithms !== undefined && !isOurs(passwordAlgorithms)) return refuse(400);
    const number = passwordAlgorithm?.number ?? 1;
    if (!ALGORITHMS.some((known) => known.number === number)) return refuse(400);
    if (realm !== this.realm) return refuse(401);
    // An unknown user takes as long as a wrong password.
    const known = this.known(username);
    for (const user of known.length === 0 ? [NOBODY] : known) {
      const key = longTermKey(username, this.realm, user.password, number === 2 ? 'sha256' : 'md5');
      if (verifyIntegrity(raw, request, key) && user !== NOBODY)
        return { user, key, integrity: request.integrity.sha256 === undefined ? 'sha1' : 'sha256' };
    }
    return refuse(401);
  }

  /** Of a fixed one the password, of others as many as are tried. */
  private known(name: string): readonly TurnUser[] {
    const fixed = this.users.get(name);
    if (fixed !== undefined) return [fixed];
    return this.passwordsOf(name)
      .slice(0, MAX_PASSWORDS)
      .map((password) => ({ name, password }));
  }

  private challenge(remote: SocketAddress, now: number): StunAttributes {
    const at = Math.floor(now).toString(16).padStart(12, '0');
    const nonce = `${NONCE_PREFIX}${at}${this.mac(at, remote)}`;
    return { realm: this.realm, nonce, passwordAlgorithms: ALGORITHMS };
  }

  private ageOf(nonce: string, remote: SocketAddress, now: number): number | undefined {
    const [, at, mac] = NONCE.exec(nonce) ?? [];
    if (at === undefined || mac === undefined) return undefined;
    return equalSecrets(Buffer.from(mac), Buffer.from(this.mac(at, remote))) ? now - parseInt(at, 16) : undefined;
  }

  private mac(at: string, remote: SocketAddress): string {
    return createHmac('sha256', this.secret)
      .update(`${at} ${formatSocketAddress(remote)}`)
      .digest('hex')
      .slice(0, MAC_DIGITS);
  }
}

function isOurs(algorithms: readonly PasswordAlgorithm[]): boolean {
  return (
    algorithms.length === ALGORITHMS.length &&
    algorithms.every(({ number, parameters }, i) => number === ALGORITHMS[i]?.number && parameters.length === 0)
  );
}
