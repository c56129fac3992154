import { isIP } from 'node:net';
import { isNodeId, type NodeId } from '../base/node-id.ts';
import { CERTIFICATE_LIFETIME_S } from '../base/certificate-lifetime.ts';
import { canonicalAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { isOverlayName } from '../identity/names.ts';
import type { OverlayMode } from '../identity/trust-store.ts';
import { verifyElement } from './configuration-signature.ts';
import { OverlayConfigurationError } from './errors.ts';
import { isIpv4Prefix } from '../base/ipv4-prefix.ts';
import {
  BASE_NAMESPACE,
  CHORD_NAMESPACE,
  DATA_MODELS,
  IDLOC_NAMESPACE,
  MAX_BAD_NODES,
  MAX_BOOTSTRAP_NODES,
  MAX_KINDS,
  MAX_ROOT_CERTIFICATES,
  MAX_SEQUENCE,
  overlayConfiguration,
  type KindBlock,
  type OverlayConfiguration,
  type RendezvousMode,
} from './overlay-configuration.ts';
import { parseXml, type XmlElement } from './xml-tree.ts';

const RELOAD_PORT = 6084;
/** RFC 6940 s6.3.2: the header alone has 38 bytes; the upper bound is our memory for one message. */
const MESSAGE_SIZE = { min: 1000, max: 1_000_000 };
/** Bounds of intervals, so that no configuration makes members flood or forget each other. */
const INTERVAL_S = { min: 1, max: 86_400 };

/**
 * Reads a document that is signed by the overlay's authority. Whether its sequence is new and its expiration past is the caller's to judge.
 * @param options.authority SHA-256 of the authority's DER SubjectPublicKeyInfo.
 * @throws {OverlayConfigurationError}
 */
export function readOverlayConfiguration(
  document: Uint8Array,
  options: { readonly overlay: string; readonly authority: Uint8Array },
): OverlayConfiguration {
  const root = parseXml(document);
  if (root.namespace !== BASE_NAMESPACE || root.name !== 'overlay') refuse('the document is no overlay configuration');
  const elements = root.children.filter(({ namespace }) => namespace === BASE_NAMESPACE);
  // RFC 6940 s11.1: configurations of other overlays may stand beside; a signature belongs to the configuration before it.
  const index = elements.findIndex(
    ({ name, attributes }) => name === 'configuration' && attributes.get('instance-name') === options.overlay,
  );
  const element = elements[index];
  if (element === undefined) refuse(`the document has no configuration of the overlay ${options.overlay}`);
  const signature = elements[index + 1];
  if (signature?.name !== 'signature') refuse('the configuration is not signed');
  verifyElement(Buffer.from(element.source, 'utf8'), fromBase64(signature.text), options.authority);
  return configurationOf(element);
}

function configurationOf(element: XmlElement): OverlayConfiguration {
  const fields = new Fields(element);
  const overlay = fields.attribute('instance-name');
  if (!isOverlayName(overlay)) refuse('instance-name is not an overlay name');
  const expiration = element.attributes.get('expiration');
  for (const extension of fields.all('mandatory-extension'))
    if (extension !== IDLOC_NAMESPACE)
      refuse(`the overlay requires the extension ${extension.slice(0, 100)}, which this version does not know`);
  expect(fields, 'topology-plugin', 'CHORD-RELOAD');
  expect(fields, 'node-id-length', '16');
  const links = fields.all('overlay-link-protocol');
  if (links.length > 0 && !links.includes('TLS')) refuse('the overlay does not use the link protocol TLS');
  const defaults = overlayConfiguration({ overlay });
  const mode = modeOf(fields);
  const ipv4Prefix = fields.one('ipv4-prefix', IDLOC_NAMESPACE) ?? defaults.ipv4Prefix;
  if (!isIpv4Prefix(ipv4Prefix)) refuse('ipv4-prefix is no usable prefix');
  const dnsName = fields.one('dns-name', IDLOC_NAMESPACE) ?? overlay;
  if (!isOverlayName(dnsName)) refuse('dns-name is no domain name');
  return {
    overlay,
    sequence: numberOf('sequence', fields.attribute('sequence'), 0, MAX_SEQUENCE),
    expiration: expiration === undefined ? null : timeOf(expiration),
    rootCertificates: fields.all('root-cert', MAX_ROOT_CERTIFICATES).map(certificateOf),
    mode,
    bootstrapNodes: fields.elements('bootstrap-node', MAX_BOOTSTRAP_NODES).map(bootstrapNodeOf),
    clientsPermitted: fields.boolean('clients-permitted') ?? defaults.clientsPermitted,
    turnDensity: fields.number('turn-density', 0, 255) ?? defaults.turnDensity,
    maxMessageSize: fields.number('max-message-size', MESSAGE_SIZE.min, MESSAGE_SIZE.max) ?? defaults.maxMessageSize,
    initialTtl: fields.number('initial-ttl', 1, 255) ?? defaults.initialTtl,
    reliabilityTimerMs: fields.number('overlay-reliability-timer', 200, 60_000) ?? defaults.reliabilityTimerMs,
    chordUpdateIntervalS:
      fields.number('chord-update-interval', INTERVAL_S.min, INTERVAL_S.max, CHORD_NAMESPACE) ??
      defaults.chordUpdateIntervalS,
    chordPingIntervalS:
      fields.number('chord-ping-interval', INTERVAL_S.min, INTERVAL_S.max, CHORD_NAMESPACE) ??
      defaults.chordPingIntervalS,
    chordReactive: fields.boolean('chord-reactive', CHORD_NAMESPACE) ?? defaults.chordReactive,
    configurationSigners: fields.all('configuration-signer', MAX_ROOT_CERTIFICATES).map(nodeIdOf),
    badNodes: fields.all('bad-node', MAX_BAD_NODES).map(nodeIdOf),
    kinds: kindsOf(fields),
    ipv4Prefix,
    dnsName,
    certificateLifetimeS:
      fields.number('certificate-lifetime', CERTIFICATE_LIFETIME_S.min, CERTIFICATE_LIFETIME_S.max, IDLOC_NAMESPACE) ??
      defaults.certificateLifetimeS,
    rendezvous: rendezvousOf(fields) ?? defaults.rendezvous,
  };
}

/** The child elements of one element by name. */
class Fields {
  private readonly element: XmlElement;

  constructor(element: XmlElement) {
    this.element = element;
  }

  attribute(name: string): string {
    return this.element.attributes.get(name) ?? refuse(`${this.element.name} has no ${name}`);
  }

  elements(name: string, max: number, namespace = BASE_NAMESPACE): XmlElement[] {
    const found = this.element.children.filter((child) => child.name === name && child.namespace === namespace);
    if (found.length > max) refuse(`more than ${max} elements ${name}`);
    return found;
  }

  all(name: string, max = 16): string[] {
    return this.elements(name, max).map(({ text }) => text);
  }

  one(name: string, namespace = BASE_NAMESPACE): string | undefined {
    return this.elements(name, 1, namespace)[0]?.text;
  }

  number(name: string, min: number, max: number, namespace = BASE_NAMESPACE): number | undefined {
    const text = this.one(name, namespace);
    return text === undefined ? undefined : numberOf(name, text, min, max);
  }

  /** RFC 6940 s11.1: "1" or "true", "0" or "false". */
  boolean(name: string, namespace = BASE_NAMESPACE): boolean | undefined {
    const text = this.one(name, namespace);
    if (text === undefined) return undefined;
    if (text === 'true' || text === '1') return true;
    return text === 'false' || text === '0' ? false : refuse(`${name} is neither true nor false`);
  }
}

function refuse(reason: string): never {
  throw new OverlayConfigurationError(reason);
}

function expect(fields: Fields, name: string, value: string): void {
  const found = fields.one(name);
  if (found !== undefined && found !== value)
    refuse(`${name} is ${found.slice(0, 40)}, this version knows ${value} only`);
}

function modeOf(fields: Fields): OverlayMode {
  const selfSigned = fields.boolean('self-signed-permitted') ?? false;
  const mode = fields.one('mode', IDLOC_NAMESPACE) ?? (selfSigned ? 'open' : 'invite');
  if (mode !== 'invite' && mode !== 'open') refuse('mode is neither invite nor open');
  if (selfSigned !== (mode === 'open')) refuse('mode and self-signed-permitted contradict each other');
  return mode;
}

function rendezvousOf(fields: Fields): RendezvousMode | undefined {
  const rendezvous = fields.one('rendezvous', IDLOC_NAMESPACE);
  if (rendezvous === undefined || rendezvous === 'none' || rendezvous === 'mainline') return rendezvous;
  // Members that know another place find each other there; we do without.
  return 'none';
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) refuse(`${name} is not a number from ${min} to ${max}`);
  return value;
}

/** RFC 3339, in UTC. */
function timeOf(text: string): number {
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? refuse('expiration is not a time in UTC') : time;
}

function nodeIdOf(text: string): NodeId {
  const nodeId = text.toLowerCase();
  return isNodeId(nodeId) ? nodeId : refuse('a Node-ID is not 32 hexadecimal digits');
}

function fromBase64(text: string): Uint8Array {
  const compact = text.replace(/\s+/g, '');
  const bytes = Buffer.from(compact, 'base64');
  return bytes.toString('base64') === compact ? new Uint8Array(bytes) : refuse('broken base64');
}

function certificateOf(text: string): Uint8Array {
  const der = fromBase64(text);
  try {
    return parseCertificate(der).der;
  } catch (cause) {
    throw new OverlayConfigurationError('a root certificate cannot be read', { cause });
  }
}

function bootstrapNodeOf({ attributes }: XmlElement): SocketAddress {
  const address = attributes.get('address') ?? '';
  if (isIP(address) === 0 || address.includes('%')) refuse('the address of a bootstrap node is no IP address');
  const port = numberOf('port', attributes.get('port') ?? String(RELOAD_PORT), 1, 65_535);
  return { address: canonicalAddress(address), port };
}

function kindsOf(fields: Fields): KindBlock[] {
  const [required] = fields.elements('required-kinds', 1);
  if (required === undefined) return [];
  return new Fields(required).elements('kind-block', MAX_KINDS).map((block) => {
    const [kind] = new Fields(block).elements('kind', 1);
    return kind === undefined ? refuse('a kind-block has no kind') : kindOf(kind);
  });
}

function kindOf(element: XmlElement): KindBlock {
  const fields = new Fields(element);
  const [id, name] = [element.attributes.get('id'), element.attributes.get('name')];
  const needed = (field: string, max: number): number =>
    fields.number(field, 0, max) ?? refuse(`a kind has no ${field}`);
  const dataModel = DATA_MODELS.find((model) => model === fields.one('data-model'));
  const accessControl = fields.one('access-control') ?? '';
  const maxNodeMultiple = fields.number('max-node-multiple', 1, 1_000);
  if ((id === undefined) === (name === undefined)) refuse('a kind has either an id or a name');
  if (name !== undefined && !/^[A-Z0-9_-]{1,64}$/.test(name)) refuse('the name of a kind is not allowed');
  if (dataModel === undefined) refuse('a kind has an unknown data-model');
  if (!/^[A-Z0-9-]{1,64}$/.test(accessControl)) refuse('the access-control of a kind is not allowed');
  if ((accessControl === 'NODE-MULTIPLE') !== (maxNodeMultiple !== undefined))
    refuse('max-node-multiple belongs to NODE-MULTIPLE');
  return {
    kind: id === undefined ? (name ?? '') : numberOf('id', id, 0, 0xffff_ffff),
    dataModel,
    accessControl,
    maxCount: needed('max-count', 1_000_000),
    maxSize: needed('max-size', 1_000_000),
    ...(maxNodeMultiple === undefined ? {} : { maxNodeMultiple }),
  };
}
