import { readFileSync, readdirSync } from 'node:fs';
import { fromHex } from '../../../src/base/bytes.ts';
import { canonicalAddress } from '../../../src/base/ip-address.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { contentsOf, registeredDataModel } from '../../../src/reload/index.ts';
import type {
  ChordLeaveData,
  DataModel,
  DataValue,
  Destination,
  ForwardingHeader,
  IceCandidate,
  IceOffer,
  KnownBody,
  Message,
  MessageContents,
  MetaDataValue,
  ProbeInformation,
  SecurityBlock,
  Signature,
  SignerIdentity,
  StoredData,
  StoredDataSpecifier,
  StoredDataValue,
  StoredMetaData,
} from '../../../src/reload/index.ts';

/** What the files in test/vectors/reload hold: fields with the names of another implementation. */
export interface Fields {
  readonly [name: string]: unknown;
}

export interface Vector {
  readonly name: string;
  readonly file: Fields;
  readonly hex: Readonly<Record<string, string>>;
}

const FOLDER = new URL('../../vectors/reload/', import.meta.url);

export function vectorFile(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, FOLDER)));
}

export function vectors(prefix: RegExp): Vector[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json') && prefix.test(name))
    .map((name) => {
      const file = JSON.parse(Buffer.from(vectorFile(name)).toString()) as Fields;
      return { name, file, hex: (file['hex'] ?? {}) as Record<string, string> };
    });
}

export const messageVectors = vectors(/^([0-9a-f]{2}|ffff)_/);
export const headerVectors = vectors(/^h_/);

/** The Kinds of the vectors: the registered ones and two private ones. */
export function vectorDataModel(kind: number): DataModel | undefined {
  if (kind === 0xf0000001) return 'single';
  return kind === 0xf0000002 ? 'array' : registeredDataModel(kind);
}

export function field(fields: Fields, name: string): Fields {
  return fields[name] as Fields;
}

export function list(fields: Fields, name: string): Fields[] {
  return fields[name] as Fields[];
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : ((value as Fields)['value'] as number);
}

function big(value: unknown): bigint {
  return typeof value === 'number' ? BigInt(value) : BigInt((value as Fields)['u64'] as string);
}

function hex(value: unknown): string {
  return (value as Fields)['hex'] as string;
}

function bytes(value: unknown): Uint8Array {
  return fromHex(hex(value));
}

/** A whole message as the codec should read it, made of the fields alone. */
export function messageOfVector({ file }: Vector): Message {
  const fields = file['fields'] as Fields | undefined;
  return {
    header: headerOf(field(file, 'forwarding_header')),
    contents: fields === undefined ? contentsOfVector(field(file, 'message_contents')) : contentsOf(bodyOf(fields)),
    security: securityOf(field(file, 'security_block')),
  };
}

/** The header variants all carry a Ping request without padding. */
function contentsOfVector(contents: Fields): MessageContents {
  return contentsOf(
    { type: 'ping_req', padding: new Uint8Array(0) },
    list(contents, 'extensions').map((extension) => ({
      type: number(extension['type']),
      critical: extension['critical'] === true,
      contents: bytes(extension['extension']),
    })),
  );
}

function headerOf(header: Fields): ForwardingHeader {
  return {
    overlay: number(header['overlay']),
    configurationSequence: number(header['configuration_sequence']),
    ttl: number(header['ttl']),
    fragment: number(header['fragment']),
    transactionId: big(header['transaction_id']),
    maxResponseLength: number(header['max_response_length']),
    viaList: list(header, 'via_list').map(destinationOf),
    destinationList: list(header, 'destination_list').map(destinationOf),
    options: list(header, 'options').map((option) => ({
      type: number(option['type']),
      flags: number(option['flags']),
      value: bytes(option['option']),
    })),
  };
}

/** Two-byte opaque IDs with the top bit set are in the compact form in every vector. */
export function destinationOf(destination: Fields): Destination {
  const data = bytes(destination['data']);
  switch (number(destination['type'])) {
    case 1:
      return { type: 'node', nodeId: hex(destination['data']) };
    case 2:
      return { type: 'resource', resourceId: hex(destination['data']) };
    default:
      return { type: 'opaque', opaqueId: data, compact: data.length === 2 && (data[0] ?? 0) > 0x7f };
  }
}

export function securityOf(security: Fields): SecurityBlock {
  return {
    certificates: list(security, 'certificates').map((certificate) => ({
      type: number(certificate['type']),
      certificate: bytes(certificate['certificate']),
    })),
    signature: signatureOf(field(security, 'signature')),
  };
}

export function signatureOf(signature: Fields): Signature {
  const algorithm = field(signature, 'algorithm');
  return {
    hashAlgorithm: number(algorithm['hash']),
    signatureAlgorithm: number(algorithm['signature']),
    identity: identityOf(field(signature, 'identity')),
    value: bytes(signature['value']),
  };
}

export function identityOf(signer: Fields): SignerIdentity {
  const identity = field(signer, 'identity');
  const type = number(signer['type']);
  if (type === 3) return { type: 'none' };
  return {
    type: type === 1 ? 'cert_hash' : 'cert_hash_node_id',
    hashAlgorithm: number(identity['hash_algorithm']),
    hash: bytes(identity['certificate_hash']),
  };
}

export function addressOf(address: Fields): SocketAddress {
  const { addr, port } = field(address, 'addr_port');
  return { address: canonicalAddress(addr as string), port: port as number };
}

const CANDIDATE_TYPES: Readonly<Record<number, 'host' | 'srflx' | 'relay'>> = { 1: 'host', 2: 'srflx', 4: 'relay' };

function candidateOf(candidate: Fields): IceCandidate {
  const related = field(candidate, 'related_address');
  const extensions = list(candidate, 'extensions').map(({ name, value }) => ({
    name: name as string,
    value: value as string,
  }));
  return {
    type: CANDIDATE_TYPES[number(candidate['type'])] ?? 'host',
    address: addressOf(field(candidate, 'addr_port')),
    priority: number(candidate['priority']),
    foundation: candidate['foundation'] as string,
    overlayLink: number(candidate['link_type']),
    ...(related['_type'] !== 'Empty' && { relatedAddress: addressOf(related) }),
    ...(extensions.length > 0 && { extensions }),
  };
}

function offerOf(fields: Fields): IceOffer {
  return {
    ufrag: fields['username'] as string,
    pwd: fields['password'] as string,
    role: fields['role'] as IceOffer['role'],
    candidates: list(fields, 'candidates').map(candidateOf),
  };
}

function informationOf(information: Fields): ProbeInformation {
  const code = number(information['type']);
  const value = information['value'];
  switch (code) {
    case 1:
      return { type: 'responsible_set', responsiblePpb: number(value) };
    case 2:
      return { type: 'num_resources', numResources: number(value) };
    case 3:
      return { type: 'uptime', uptime: number(value) };
    default:
      return { type: 'unknown', code, value: bytes(value) };
  }
}

function valueOf(value: Fields): StoredDataValue {
  const data = (of: Fields): DataValue => ({ exists: of['exists'] === true, value: bytes(of['value']) });
  switch (value['_type']) {
    case 'DataValue':
      return { model: 'single', ...data(value) };
    case 'ArrayEntry':
      return { model: 'array', index: number(value['index']), ...data(field(value, 'value')) };
    default:
      return { model: 'dictionary', key: bytes(value['key']), ...data(field(value, 'value')) };
  }
}

function storedDataOf(data: Fields): StoredData {
  return {
    storageTime: big(data['storage_time']),
    lifetime: number(data['lifetime']),
    value: valueOf(field(data, 'value')),
    signature: signatureOf(field(data, 'signature')),
  };
}

function metaDataOf(data: Fields): StoredMetaData {
  const meta = (of: Fields) => ({
    exists: of['exists'] === true,
    valueLength: number(of['value_length']),
    hashAlgorithm: number(of['hash_algorithm']),
    hash: bytes(of['hash_value']),
  });
  const of = (value: Fields): MetaDataValue => {
    switch (value['_type']) {
      case 'DataValueMeta':
        return { model: 'single', ...meta(value) };
      case 'ArrayEntryMeta':
        return { model: 'array', index: number(value['index']), ...meta(field(value, 'value')) };
      default:
        return { model: 'dictionary', key: bytes(value['key']), ...meta(field(value, 'value')) };
    }
  };
  return {
    storageTime: big(data['storage_time']),
    lifetime: number(data['lifetime']),
    metadata: of(field(data, 'metadata')),
  };
}

function specifierOf(specifier: Fields): StoredDataSpecifier {
  const kind = number(specifier['kind_id']);
  const generation = big(specifier['generation']);
  const items = specifier['specifier'] as Fields[];
  switch (vectorDataModel(kind)) {
    case 'array': {
      const ranges = items.map(({ first, last }) => ({ first: number(first), last: number(last) }));
      return { kind, generation, specifier: { model: 'array', ranges } };
    }
    case 'dictionary':
      return { kind, generation, specifier: { model: 'dictionary', keys: items.map(bytes) } };
    default:
      return { kind, generation, specifier: { model: 'single' } };
  }
}

function leaveDataOf(data: Uint8Array): ChordLeaveData {
  const nodeIds: string[] = [];
  for (let at = 3; at < data.length; at += 16) nodeIds.push(Buffer.from(data.subarray(at, at + 16)).toString('hex'));
  return data[0] === 1 ? { type: 'from_succ', successors: nodeIds } : { type: 'from_pred', predecessors: nodeIds };
}

function bodyOf(fields: Fields): KnownBody {
  const nodeIds = (name: string, from: Fields = fields) => list(from, name).map(hex);
  switch (fields['_type']) {
    case 'ProbeRequest':
      return { type: 'probe_req', requestedInfo: list(fields, 'requested_info').map(number) };
    case 'ProbeResponse':
      return { type: 'probe_ans', info: list(fields, 'probe_info').map(informationOf) };
    case 'AttachRequest':
      return { type: 'attach_req', ...offerOf(fields), sendUpdate: fields['send_update'] === true };
    case 'AttachResponse':
      return { type: 'attach_ans', ...offerOf(fields), sendUpdate: fields['send_update'] === true };
    case 'AppAttachRequest':
      return { type: 'app_attach_req', ...offerOf(fields), application: number(fields['application']) };
    case 'StoreRequest':
      return {
        type: 'store_req',
        resource: hex(fields['resource']),
        replicaNumber: number(fields['replica_number']),
        kindData: list(fields, 'kind_data').map((data) => ({
          kind: number(data['kind_id']),
          generationCounter: big(data['generation_counter']),
          values: list(data, 'values').map(storedDataOf),
        })),
      };
    case 'StoreResponse':
      return {
        type: 'store_ans',
        kindResponses: list(fields, 'kind_responses').map((response) => ({
          kind: number(response['kind_id']),
          generationCounter: big(response['generation_counter']),
          replicas: nodeIds('replicas', response),
        })),
      };
    case 'FetchRequest':
      return {
        type: 'fetch_req',
        resource: hex(fields['resource']),
        specifiers: list(fields, 'specifiers').map(specifierOf),
      };
    case 'FetchResponse':
      return {
        type: 'fetch_ans',
        kindResponses: list(fields, 'kind_responses').map((response) => ({
          kind: number(response['kind_id']),
          generation: big(response['generation']),
          values: list(response, 'values').map(storedDataOf),
        })),
      };
    case 'StatResponse':
      return {
        type: 'stat_ans',
        kindResponses: list(fields, 'kind_responses').map((response) => ({
          kind: number(response['kind_id']),
          generation: big(response['generation']),
          values: list(response, 'values').map(metaDataOf),
        })),
      };
    case 'FindRequest':
      return { type: 'find_req', resource: hex(fields['resource']), kinds: list(fields, 'kinds').map(number) };
    case 'FindResponse':
      return {
        type: 'find_ans',
        results: list(fields, 'results').map(({ kind_id, closest }) => ({
          kind: number(kind_id),
          closest: hex(closest),
        })),
      };
    case 'JoinRequest':
      return {
        type: 'join_req',
        joiningPeerId: hex(fields['node_id']),
        overlaySpecificData: bytes(fields['overlay_data']),
      };
    case 'JoinResponse':
      return { type: 'join_ans', overlaySpecificData: bytes(fields['overlay_data']) };
    case 'LeaveRequest':
      return {
        type: 'leave_req',
        leavingPeerId: hex(fields['node_id']),
        leaveData: leaveDataOf(bytes(fields['overlay_data'])),
      };
    case 'LeaveResponse':
      return { type: 'leave_ans' };
    case 'UpdateRequest': {
      const uptime = number(fields['uptime']);
      if (number(fields['type']) === 1) return { type: 'update_req', update: { type: 'peer_ready', uptime } };
      const predecessors = nodeIds('predecessors', field(fields, 'data'));
      const successors = nodeIds('successors', field(fields, 'data'));
      return { type: 'update_req', update: { type: 'neighbors', uptime, predecessors, successors } };
    }
    case 'UpdateResponse':
      return { type: 'update_ans' };
    case 'RouteQueryRequest':
      return {
        type: 'route_query_req',
        sendUpdate: fields['send_update'] === true,
        destination: destinationOf(field(fields, 'destination')),
        overlaySpecificData: bytes(fields['overlay_data']),
      };
    case 'RouteQueryResponse':
      return { type: 'route_query_ans', nextPeer: hex(fields['next_peer']) };
    case 'PingRequest':
      return { type: 'ping_req', padding: bytes(fields['padding']) };
    case 'PingResponse':
      return { type: 'ping_ans', responseId: big(fields['id']), time: big(fields['time']) };
    case 'ConfigUpdateRequest':
      return { type: 'config_update_req', content: { type: 'config', configData: bytes(fields['data']) } };
    case 'ConfigUpdateResponse':
      return { type: 'config_update_ans' };
    case 'ErrorResponse':
      return { type: 'error', code: number(fields['code']), info: bytes(fields['info']) };
    default:
      throw new Error(`no such message: ${String(fields['_type'])}`);
  }
}
