import { splitOutside, trimSpace } from '../message/headers.ts';
import { unquote } from '../message/params.ts';
import { MAX_CREDENTIALS_LENGTH, MAX_DIGEST_PARAMS } from './constants.ts';
import { DIGEST_ALGORITHMS, DIGEST_LENGTHS, type DigestAlgorithm, type DigestInput } from './digest.ts';

/** An Authorization or Proxy-Authorization of the scheme Digest (RFC 7616 s3.4). */
export interface DigestCredentials extends Omit<DigestInput, 'method'> {
  readonly user: string;
  readonly realm: string;
  readonly algorithm: DigestAlgorithm;
  /** Hex digits in lower case, as many as the algorithm has. */
  readonly response: string;
}

/** @returns undefined for another scheme, an algorithm or a quality that was not offered, and what is none. */
export function parseCredentials(value: string): DigestCredentials | undefined {
  const params = digestParams(value);
  const named = params?.get('algorithm') ?? 'MD5';
  const algorithm = DIGEST_ALGORITHMS.find((known) => known.toLowerCase() === named.toLowerCase());
  const [user, realm, nonce, uri] = ['username', 'realm', 'nonce', 'uri'].map((name) => params?.get(name));
  const response = params?.get('response')?.toLowerCase() ?? '';
  if (user === undefined || realm === undefined || nonce === undefined || uri === undefined) return undefined;
  if (algorithm === undefined || response.length !== DIGEST_LENGTHS[algorithm] || !/^[0-9a-f]+$/.test(response))
    return undefined;
  const common = { user, realm, nonce, uri, algorithm, response };
  const quality = params?.get('qop');
  if (quality === undefined) return common;
  const nc = params?.get('nc') ?? '';
  const cnonce = params?.get('cnonce');
  if (quality.toLowerCase() !== 'auth' || !/^[0-9A-Fa-f]{8}$/.test(nc) || cnonce === undefined) return undefined;
  return { ...common, qop: { nc, cnonce } };
}

/** The realm of credentials of whatever scheme; undefined: it has none. */
export function realmOf(value: string): string | undefined {
  return digestParams(value)?.get('realm');
}

/** RFC 7235 s2.1, of the scheme Digest: names in lower case, values without quotes. */
function digestParams(value: string): ReadonlyMap<string, string> | undefined {
  if (value.length > MAX_CREDENTIALS_LENGTH || !/^digest[ \t]/i.test(value)) return undefined;
  const parts = splitOutside(value.slice('digest'.length), ',');
  if (parts.length > MAX_DIGEST_PARAMS) return undefined;
  const params = new Map<string, string>();
  for (const part of parts) {
    const equals = part.indexOf('=');
    const name = trimSpace(part.slice(0, Math.max(equals, 0))).toLowerCase();
    if (name === '' || params.has(name)) return undefined;
    params.set(name, unquote(trimSpace(part.slice(equals + 1))));
  }
  return params;
}
