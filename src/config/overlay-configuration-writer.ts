import { equalBytes } from '../base/bytes.ts';
import type { OverlayAuthority } from '../identity/authority.ts';
import { signElement } from './configuration-signature.ts';
import {
  BASE_NAMESPACE,
  CHORD_NAMESPACE,
  IDLOC_NAMESPACE,
  type KindBlock,
  type OverlayConfiguration,
} from './overlay-configuration.ts';
import { readOverlayConfiguration } from './overlay-configuration-reader.ts';
import { escapeXml } from './xml-tree.ts';

/**
 * The document as it goes to members and into the state directory. The authority's own certificate and HIT are put in first.
 * @throws {OverlayConfigurationError} when a value is out of bounds.
 */
export function signOverlayConfiguration(given: OverlayConfiguration, authority: OverlayAuthority): Uint8Array {
  const configuration = {
    ...given,
    rootCertificates: [
      authority.certificate,
      ...given.rootCertificates.filter((der) => !equalBytes(der, authority.certificate)),
    ],
    configurationSigners: [authority.hit, ...given.configurationSigners.filter((hit) => hit !== authority.hit)],
  };
  const element = configurationElement(configuration);
  const signature = base64(signElement(Buffer.from(element, 'utf8'), authority));
  const document = Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<overlay xmlns="${BASE_NAMESPACE}" xmlns:chord="${CHORD_NAMESPACE}" xmlns:idloc="${IDLOC_NAMESPACE}">\n` +
      `${element}\n<signature>${signature}</signature>\n</overlay>\n`,
  );
  // What no member would take must not be written.
  readOverlayConfiguration(document, { overlay: given.overlay, authority: authority.fingerprint });
  return new Uint8Array(document);
}

function configurationElement(configuration: OverlayConfiguration): string {
  const { overlay, sequence, expiration, mode } = configuration;
  const expires = expiration === null ? '' : ` expiration="${new Date(expiration).toISOString()}"`;
  const lines = [
    tag('topology-plugin', 'CHORD-RELOAD'),
    tag('node-id-length', 16),
    ...configuration.rootCertificates.map((der) => tag('root-cert', base64(der))),
    ...(mode === 'open' ? ['<self-signed-permitted digest="sha256">true</self-signed-permitted>'] : []),
    ...configuration.bootstrapNodes.map(
      ({ address, port }) => `<bootstrap-node address="${escapeXml(address)}" port="${port}"/>`,
    ),
    tag('turn-density', configuration.turnDensity),
    tag('clients-permitted', configuration.clientsPermitted),
    tag('chord:chord-update-interval', configuration.chordUpdateIntervalS),
    tag('chord:chord-ping-interval', configuration.chordPingIntervalS),
    tag('chord:chord-reactive', configuration.chordReactive),
    tag('max-message-size', configuration.maxMessageSize),
    tag('initial-ttl', configuration.initialTtl),
    tag('overlay-reliability-timer', configuration.reliabilityTimerMs),
    tag('overlay-link-protocol', 'TLS'),
    ...configuration.configurationSigners.map((nodeId) => tag('configuration-signer', nodeId)),
    ...configuration.badNodes.map((nodeId) => tag('bad-node', nodeId)),
    tag('mandatory-extension', IDLOC_NAMESPACE),
    tag('idloc:mode', mode),
    tag('idloc:ipv4-prefix', configuration.ipv4Prefix),
    tag('idloc:dns-name', configuration.dnsName),
    tag('idloc:certificate-lifetime', configuration.certificateLifetimeS),
    tag('idloc:rendezvous', configuration.rendezvous),
    ...(configuration.kinds.length === 0
      ? []
      : ['<required-kinds>', ...configuration.kinds.map(kindBlock), '</required-kinds>']),
  ];
  return `<configuration instance-name="${escapeXml(overlay)}" sequence="${sequence}"${expires}>\n${lines.join('\n')}\n</configuration>`;
}

/** RFC 6940's kind-signature is left out: the signature over the whole configuration, by the same key, covers the Kinds. */
function kindBlock({ kind, dataModel, accessControl, maxCount, maxSize, maxNodeMultiple }: KindBlock): string {
  const name = typeof kind === 'number' ? `id="${kind}"` : `name="${escapeXml(kind)}"`;
  const multiple = maxNodeMultiple === undefined ? '' : tag('max-node-multiple', maxNodeMultiple);
  return (
    `<kind-block><kind ${name}>${tag('data-model', dataModel)}${tag('access-control', accessControl)}` +
    `${multiple}${tag('max-count', maxCount)}${tag('max-size', maxSize)}</kind></kind-block>`
  );
}

function tag(name: string, content: string | number | boolean): string {
  return `<${name}>${escapeXml(String(content))}</${name}>`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
