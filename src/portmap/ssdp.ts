import { MAX_SEARCH_ANSWER_BYTES, SEARCH_GROUP, SEARCH_PORT } from './constants.ts';

/** Devices answer to version 1 whatever theirs is, when they follow the rules; and some name only their services. */
const TARGETS: readonly string[] = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
];
/** Seconds within which a device is to answer. */
const MX = 1;

/** UPnP Device Architecture 2.0 s1.3.2: M-SEARCH, one for each of what a gateway may call itself. */
export function encodeSearches(): Uint8Array[] {
  return TARGETS.map((target) =>
    Buffer.from(
      [
        'M-SEARCH * HTTP/1.1',
        `HOST: ${SEARCH_GROUP}:${SEARCH_PORT}`,
        'MAN: "ssdp:discover"',
        `MX: ${MX}`,
        `ST: ${target}`,
        '\r\n',
      ].join('\r\n'),
    ),
  );
}

/** s1.3.3. @returns where the description of a gateway is; undefined: the answer of something else. */
export function locationOf(answer: Uint8Array): string | undefined {
  if (answer.length > MAX_SEARCH_ANSWER_BYTES) return undefined;
  const [status = '', ...lines] = Buffer.from(answer).toString('latin1').split(/\r?\n/);
  if (!/^HTTP\/1\.[01] 200 ?/.test(status)) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const target = headers.get('st') ?? '';
  if (!/:(InternetGatewayDevice|WANIPConnection|WANPPPConnection):\d+$/.test(target)) return undefined;
  return headers.get('location');
}

/**
 * A URL that the gateway told, made whole: only of the gateway itself, by its address. Whatever else it names is not asked.
 * @param base what it is relative to.
 */
export function gatewayUrl(text: string, gateway: string, base?: string): string | undefined {
  const url = URL.parse(text, base);
  if (url === null || url.protocol !== 'http:' || url.hostname !== gateway) return undefined;
  return url.username === '' && url.password === '' ? url.href : undefined;
}
