import { createHash } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import { headerRows, splitList } from '../message/headers.ts';
import type { SipHeader, SipResponse } from '../message/message.ts';
import { quote, unquote } from '../message/params.ts';

/** RFC 8760 s2.1 and RFC 7616 s3.3, the best first. */
const ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['SHA-512-256', 'sha512-256'],
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
]);
/** As in RFC 7616 s3.9. */
const NONCE_BYTES = 33;

export interface Credentials {
  readonly user: string;
  /** Is never logged. */
  readonly password: string;
}

/** What a server asks of us (RFC 7616 s3.3). */
interface Challenge {
  /** `WWW-Authenticate` is answered in `Authorization`, `Proxy-Authenticate` in `Proxy-Authorization`. */
  readonly answerIn: 'Authorization' | 'Proxy-Authorization';
  readonly algorithm: string;
  readonly params: ReadonlyMap<string, string>;
}

/**
 * The answers of one account to challenges (RFC 3261 s22, RFC 8760): the last nonce of a server is used until it wants another one.
 */
export class DigestClient {
  private readonly credentials: Credentials;
  private readonly random: Random;
  private challenges: readonly Challenge[] = [];
  private count = 0;

  constructor(credentials: Credentials, random: Random) {
    this.credentials = credentials;
    this.random = random;
  }

  /** Of a 401 or 407. @returns `none`: it asks for nothing that can be answered; `stale`: only its nonce was too old. */
  learn(response: SipResponse): 'none' | 'fresh' | 'stale' {
    const sorted = challengesOf(response).sort((a, b) => rank(a) - rank(b));
    const place = ({ answerIn, params }: Challenge): string => `${answerIn} ${params.get('realm') ?? ''}`;
    // RFC 8760 s2.4: of one realm, the first that is understood.
    this.challenges = sorted.filter(
      (challenge, index) => sorted.findIndex((other) => place(other) === place(challenge)) === index,
    );
    this.count = 0;
    if (this.challenges.length === 0) return 'none';
    return this.challenges.every(({ params }) => params.get('stale')?.toLowerCase() === 'true') ? 'stale' : 'fresh';
  }

  /** What a request is to say, its Request-URI being that; none before the first challenge. */
  answer(method: string, uri: string): SipHeader[] {
    this.count += 1;
    return this.challenges.map((challenge) => ({
      name: challenge.answerIn,
      value: this.answerTo(challenge, method, uri),
    }));
  }

  private answerTo({ algorithm, params }: Challenge, method: string, uri: string): string {
    const { user, password } = this.credentials;
    const hash = (text: string): string =>
      createHash(ALGORITHMS.get(algorithm.replace(/-sess$/, '')) ?? 'md5')
        .update(text)
        .digest('hex');
    const [realm, nonce, opaque] = [params.get('realm') ?? '', params.get('nonce') ?? '', params.get('opaque')];
    const isQop = qops(params).includes('auth');
    const cnonce = Buffer.from(this.random.bytes(NONCE_BYTES)).toString('base64');
    const nc = this.count.toString(16).padStart(8, '0');
    const secret = hash(`${user}:${realm}:${password}`);
    const a1 = algorithm.endsWith('-sess') ? hash(`${secret}:${nonce}:${cnonce}`) : secret;
    const a2 = hash(`${method}:${uri}`);
    const response = hash(isQop ? `${a1}:${nonce}:${nc}:${cnonce}:auth:${a2}` : `${a1}:${nonce}:${a2}`);
    const texts = { username: user, realm, nonce, uri, response, ...(opaque !== undefined && { opaque }) };
    const quoted = Object.entries(texts).map(([name, value]) => `${name}=${quote(value)}`);
    const needsCnonce = isQop || algorithm.endsWith('-sess');
    return `Digest ${[
      ...quoted,
      ...(params.has('algorithm') ? [`algorithm=${algorithm}`] : []),
      ...(isQop ? ['qop=auth', `nc=${nc}`] : []),
      ...(needsCnonce ? [`cnonce=${quote(cnonce)}`] : []),
    ].join(', ')}`;
  }
}

function challengesOf(response: SipResponse): Challenge[] {
  const found: Challenge[] = [];
  for (const [asks, answerIn] of [
    ['www-authenticate', 'Authorization'],
    ['proxy-authenticate', 'Proxy-Authorization'],
  ] as const)
    for (const { value } of headerRows(response.headers, asks)) {
      const params = digestParams(value);
      const written = params?.get('algorithm') ?? 'MD5';
      const algorithm = written.replace(/-sess$/i, '').toUpperCase() + (/-sess$/i.test(written) ? '-sess' : '');
      const isKnown = ALGORITHMS.has(algorithm.replace(/-sess$/, ''));
      if (params === undefined || !isKnown || !params.has('nonce')) continue;
      if (params.has('qop') && !qops(params).includes('auth')) continue;
      found.push({ answerIn, algorithm, params });
    }
  return found;
}

/** `Digest realm="x", nonce="y"`, and so is what answers it; undefined: another scheme. */
function digestParams(value: string): Map<string, string> | undefined {
  const scheme = /^digest[ \t]+/i.exec(value)?.[0];
  if (scheme === undefined) return undefined;
  const params = new Map<string, string>();
  for (const part of splitList(value.slice(scheme.length))) {
    const equals = part.indexOf('=');
    if (equals === -1) continue;
    params.set(part.slice(0, equals).trim().toLowerCase(), unquote(part.slice(equals + 1).trim()));
  }
  return params;
}

function qops(params: ReadonlyMap<string, string>): string[] {
  return (params.get('qop') ?? '').split(',').map((qop) => qop.trim().toLowerCase());
}

function rank({ algorithm }: Challenge): number {
  return [...ALGORITHMS.keys()].indexOf(algorithm.replace(/-sess$/, ''));
}
