import { isToken, trimSpace } from './headers.ts';
import { formatParams, type HeaderParams, parseParams } from './params.ts';
import { readOnce } from './read-once.ts';
import { formatHostPort, parseHostPort } from './uri.ts';

/** RFC 3261 s20.42. */
export interface SipVia {
  /** `SIP/2.0` when it is not given. */
  readonly protocol?: string;
  /** In upper case: `UDP`, `TCP`, `TLS`... */
  readonly transport: string;
  /** sent-by: in lower case, an IPv6 address without brackets. */
  readonly host: string;
  readonly port?: number | undefined;
  /** `rport` is '' where it is asked for (RFC 3581 s3). */
  readonly params: HeaderParams;
}

const knownVias = readOnce(readVia);

/** @returns undefined for what is none. */
export function parseVia(text: string): SipVia | undefined {
  return knownVias(text);
}

function readVia(text: string): SipVia | undefined {
  const semicolon = text.indexOf(';');
  const sent = semicolon === -1 ? text : text.slice(0, semicolon);
  const [name, version, rest, ...more] = sent.split('/').map(trimSpace);
  const space = rest?.search(/[ \t]/) ?? -1;
  if (name === undefined || version === undefined || rest === undefined || more.length > 0 || space === -1)
    return undefined;
  const transport = rest.slice(0, space).toUpperCase();
  const place = parseHostPort(rest.slice(space).split(':').map(trimSpace).join(':'));
  const params = parseParams(semicolon === -1 ? '' : text.slice(semicolon));
  if (!isToken(name) || !isToken(version) || !isToken(transport) || place === undefined || params === undefined)
    return undefined;
  const protocol = `${name}/${version}`.toUpperCase();
  return { ...(protocol === 'SIP/2.0' ? {} : { protocol }), transport, ...place, params };
}

export function formatVia({ protocol = 'SIP/2.0', transport, host, port, params }: SipVia): string {
  return `${protocol}/${transport} ${formatHostPort(host, port)}${formatParams(params)}`;
}
