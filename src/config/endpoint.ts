import { parseSocketAddress } from '../base/socket-address.ts';

/** A host by its name or IP address, and a port: where the name leads to is looked up each time it is needed. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** LDH labels (RFC 1123 s2.1); at least one letter, so that a mistyped IP address is no name. */
const HOST_NAME =
  /^(?=.{1,253}$)(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** @returns undefined when the text is neither `203.0.113.7:6084`, `[2001:db8::1]:6084` nor `host.example.org:6084`. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const address = parseSocketAddress(text);
  if (address !== undefined) return address.port === 0 ? undefined : { host: address.address, port: address.port };
  const [, host = '', digits = ''] = /^([^:]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!HOST_NAME.test(host) || port < 1 || port > 65_535) return undefined;
  return { host, port };
}
