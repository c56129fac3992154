import { timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import { canonicalName, headerRows } from '../message/headers.ts';
import type { SipHeader, SipMessage, SipRequest } from '../message/message.ts';
import { quote } from '../message/params.ts';
import { parseUri } from '../message/uri.ts';
import { canonicalHost } from '../registrar/same-uri.ts';
import { MAX_ASKED, MAX_CREDENTIALS } from './constants.ts';
import { type DigestCredentials, parseCredentials, realmOf } from './credentials.ts';
import { DIGEST_ALGORITHMS, DIGEST_LENGTHS, type DigestAlgorithm, digestResponse } from './digest.ts';
import { Nonces } from './nonces.ts';
import { WrongPasswords } from './wrong-passwords.ts';

export interface DigestUser {
  readonly name: string;
  /** H(A1) in hex by algorithm; what is missing, nobody gets in by. */
  readonly ha1: Readonly<Record<DigestAlgorithm, string | undefined>>;
}

/** How phones of an address were asked last: both ways and no answer yet, both ways and it answers, for MD5 alone. */
type Asked = 'both' | 'answers' | 'md5';

export type Verdict =
  | { readonly type: 'known'; readonly user: string }
  | {
      readonly type: 'refused';
      readonly status: number;
      readonly reason: string;
      readonly headers: readonly SipHeader[];
      /** Told for the log: credentials came, and were not right. */
      readonly wrongUser?: string | undefined;
    };

/** Where a registrar asks and is answered, and where a proxy is (RFC 3261 s22.2, s22.3). */
const FIELDS = {
  registrar: { status: 401, reason: 'Unauthorized', asks: 'WWW-Authenticate', answers: 'authorization' },
  proxy: {
    status: 407,
    reason: 'Proxy Authentication Required',
    asks: 'Proxy-Authenticate',
    answers: 'proxy-authorization',
  },
} as const;

/**
 * Who sends a request, by digest (RFC 3261 s22, RFC 7616, RFC 8760): with SHA-256 or MD5, the phone takes the first that it knows. Some
 * give up where there is another beside MD5 (baresip 1.0): whoever has asked again without an answer is asked for MD5 alone. Wrong passwords
 * of one address are slowed. No request ends it, and what it remembers is bounded.
 */
export class Authenticator {
  private readonly realm: string;
  private readonly users: ReadonlyMap<string, DigestUser>;
  private readonly nonces: Nonces;
  private readonly wrong = new WrongPasswords();
  /** Those of calls for help: what went wrong elsewhere does not hold them up, and they are no way to try more passwords. */
  private readonly wrongInNeed = new WrongPasswords();
  /** By address, the longest unused first. */
  private readonly asked = new Map<string, Asked>();

  constructor(
    components: { readonly random: Random },
    options: { readonly realm: string; readonly users: readonly DigestUser[] },
  ) {
    this.realm = options.realm;
    this.users = new Map(options.users.map((user) => [user.name, user]));
    this.nonces = new Nonces(components);
  }

  /**
   * Not of ACK and CANCEL, which cannot be sent again with an answer (RFC 3261 s22.1).
   * @param address of the sender, which must be its own
   * @param isUrgent a call for help
   */
  check(request: SipRequest, address: string, now: number, isUrgent = false): Verdict {
    const wrong = isUrgent ? this.wrongInNeed : this.wrong;
    const kind = request.method === 'REGISTER' ? 'registrar' : 'proxy';
    const given = headerRows(request.headers, FIELDS[kind].answers)
      .slice(0, 4)
      .flatMap(({ value }) => parseCredentials(value) ?? [])
      .filter(({ realm }) => realm === this.realm)
      .slice(0, MAX_CREDENTIALS);
    if (given.length === 0) return this.challenge(kind, { address, now });
    const waitMs = wrong.waitMs(address, now);
    if (waitMs > 0) return tooManyWrong(waitMs);
    // It was offered both, now or by a former life of ours.
    this.note(address, given.some(({ algorithm }) => algorithm === 'SHA-256') ? 'answers' : 'md5');
    // Of a former life, or invented: whether the password is right is not told, since nobody has shown that he is at that address.
    const heard = given.filter(({ nonce }) => this.nonces.isOurs(nonce, address));
    if (heard.length === 0) return this.challenge(kind, { address, now, stale: true });
    const right = heard.find((credentials) => this.isRight(credentials, request.method));
    if (right === undefined) {
      wrong.note(address, now);
      return this.challenge(kind, { address, now, wrongUser: given[0]?.user });
    }
    if (!isAbout(right, request)) return refusal(400, 'Digest of Another Request');
    const nc = right.qop === undefined ? undefined : Number.parseInt(right.qop.nc, 16);
    if (!this.nonces.use(right.nonce, address, nc, now)) return this.challenge(kind, { address, now, stale: true });
    return { type: 'known', user: right.user };
  }

  /** Without what was for us: nobody else may learn of it (RFC 3261 s22.3). */
  withoutCredentials<M extends SipMessage>(message: M): M {
    const isOurs = ({ name, value }: SipHeader): boolean =>
      ['authorization', 'proxy-authorization'].includes(canonicalName(name)) && realmOf(value) === this.realm;
    return message.headers.some(isOurs)
      ? { ...message, headers: message.headers.filter((header) => !isOurs(header)) }
      : message;
  }

  private isRight(credentials: DigestCredentials, method: string): boolean {
    const { algorithm, user, response } = credentials;
    const known = this.users.get(user)?.ha1[algorithm];
    // An unknown user takes as long as a wrong password.
    const ha1 = known ?? '0'.repeat(DIGEST_LENGTHS[algorithm]);
    const expected = digestResponse(algorithm, ha1, { ...credentials, method });
    const isEqual = timingSafeEqual(Buffer.from(expected, 'latin1'), Buffer.from(response, 'latin1'));
    return isEqual && known !== undefined;
  }

  private note(address: string, asked: Asked): void {
    this.asked.delete(address);
    this.asked.set(address, asked);
    const [oldest] = this.asked.keys();
    if (this.asked.size > MAX_ASKED && oldest !== undefined) this.asked.delete(oldest);
  }

  private challenge(
    kind: keyof typeof FIELDS,
    {
      address,
      now,
      stale,
      wrongUser,
    }: { address: string; now: number; stale?: boolean; wrongUser?: string | undefined },
  ): Verdict {
    const { status, reason, asks } = FIELDS[kind];
    const nonce = this.nonces.issue(address, now);
    const before = this.asked.get(address);
    this.note(address, before === undefined || before === 'answers' ? 'both' : 'md5');
    const algorithms = this.asked.get(address) === 'md5' ? (['MD5'] as const) : DIGEST_ALGORITHMS;
    const headers = algorithms.map((algorithm) => ({
      name: asks,
      value: [
        `Digest realm=${quote(this.realm)}`,
        `nonce="${nonce}"`,
        'qop="auth"',
        `algorithm=${algorithm}`,
        ...(stale === true ? ['stale=true'] : []),
      ].join(', '),
    }));
    return { type: 'refused', status, reason, headers, wrongUser };
  }
}

/** RFC 7616 s3.4.6; phones leave out parameters. */
function isAbout({ uri }: DigestCredentials, request: SipRequest): boolean {
  if (uri === request.uri) return true;
  const [said, asked] = [parseUri(uri), parseUri(request.uri)];
  if (said === undefined || asked === undefined || said.user !== asked.user || said.port !== asked.port) return false;
  return canonicalHost(said.host) === canonicalHost(asked.host);
}

function tooManyWrong(waitMs: number): Verdict {
  const headers = [{ name: 'Retry-After', value: String(Math.ceil(waitMs / 1_000)) }];
  return { ...refusal(503, 'Too Many Wrong Passwords'), headers };
}

function refusal(status: number, reason: string): Extract<Verdict, { type: 'refused' }> {
  return { type: 'refused', status, reason, headers: [] };
}
