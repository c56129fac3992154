import { toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/node-id.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import { DEFAULT_KINDS, IDLOC_NAME } from '../../../src/overlay/storage/kinds.ts';
import { type KnownBody, type StoredDataSpecifier, ERROR_CODES } from '../../../src/reload/index.ts';
import type { PaperMember } from './members.ts';

export interface FloodMessage {
  readonly body: KnownBody;
  /** Who signs it; absent: the flooder itself. */
  readonly by?: PaperMember;
  /** Of the configuration; absent: the one in force. */
  readonly sequence?: number;
  /** DER, beside the signer's own. */
  readonly certificates?: readonly Uint8Array[];
}

export interface FloodContext {
  readonly self: NodeId;
  /** The agent that is measured. */
  readonly target: NodeId;
  /** Those whose values the agent stores. */
  readonly members: readonly PaperMember[];
  readonly ipv4Prefix: string;
  /** The configuration's, in force. */
  readonly sequence: number;
  readonly wallNow: number;
}

/** What the flooder does with copies that the agent sends it, and with what it should pass on. */
export type Manners = 'honest' | 'silent' | 'refusing' | 'wrong';

export interface Flood {
  readonly manners?: Manners;
  /** Messages that differ; absent: DISTINCT. */
  readonly distinct?: number;
  messages(context: FloodContext): (index: number) => FloodMessage;
}

/** As many as fit into an Update of a peer that means well. */
const IDS_OF_AN_UPDATE = 8;
/** As many as a message takes. */
const IDS_OF_A_LONG_LIST = 256;
/** All for the same value. */
const SPECIFIERS_OF_A_MESSAGE = 32;
const PADDING_BYTES = 900;
const DOCUMENT_BYTES = 9_000;
const CERTIFICATES_OF_A_MESSAGE = 40;

const randomId = (): NodeId => `20010022${toHex(systemRandom.bytes(12))}`;
/** Nearer to the agent than anybody is. */
const idsBeside = (target: NodeId): NodeId[] =>
  Array.from({ length: IDS_OF_A_LONG_LIST }, () => orchidRing.add(target, BigInt(systemRandom.uint32())));
const randomResource = (): string => orchidRing.resourceIdOf(toHex(systemRandom.bytes(8)));
const none = new Uint8Array();

/** Of one kind of message each. */
const plain =
  (
    body: (context: FloodContext, index: number) => KnownBody,
    sequence?: (context: FloodContext) => number,
  ): Flood['messages'] =>
  (context) =>
  (index) => ({ body: body(context, index), ...(sequence && { sequence: sequence(context) }) });

const pings: (context: FloodContext) => KnownBody = () => ({ type: 'ping_req', padding: none });

function memberOf({ members }: FloodContext, index: number): PaperMember {
  const member = members[index % members.length];
  if (member === undefined) throw new Error('fill first');
  return member;
}

/** A name that is stored at the agent, asked for `times` in one message. */
const oneName = (
  context: FloodContext,
  index: number,
  times: number,
): { resource: string; specifiers: StoredDataSpecifier[] } => {
  const specifier = { kind: IDLOC_NAME.id, generation: 0n, specifier: { model: 'dictionary' as const, keys: [] } };
  return {
    resource: orchidRing.resourceIdOf(memberOf(context, index).user),
    specifiers: Array.from({ length: times }, () => specifier),
  };
};

/** Values of members that are stored already, each later than the one before: all are taken, and copied to the replicas. */
const newerValues: Flood['messages'] = (context) => (index) => {
  const by = memberOf(context, index);
  return { body: by.host(1, context.wallNow + index) };
};

export const floods: Readonly<Record<string, Flood>> = {
  joins: { messages: plain(({ self }) => ({ type: 'join_req', joiningPeerId: self, overlaySpecificData: none })) },
  attaches: {
    messages: plain(() => ({
      ...{ type: 'attach_req', ufrag: 'abcd', pwd: 'p'.repeat(24), role: 'passive', candidates: [], sendUpdate: true },
    })),
  },
  old_configuration: { messages: plain(pings, ({ sequence }) => sequence - 1) },
  new_configuration: { messages: plain(pings, ({ sequence }) => sequence + 9) },
  pings: { messages: plain(() => ({ type: 'ping_req', padding: new Uint8Array(PADDING_BYTES) })) },
  documents: {
    distinct: 200,
    messages: plain(() => ({
      type: 'config_update_req',
      content: { type: 'config', configData: systemRandom.bytes(DOCUMENT_BYTES) },
    })),
  },
  finds: {
    messages: plain(() => ({ type: 'find_req', resource: randomResource(), kinds: DEFAULT_KINDS.map(({ id }) => id) })),
  },
  invented_ids: {
    messages: plain((_, index) => ({
      type: 'update_req',
      update: {
        type: 'neighbors',
        uptime: 100_000 + index,
        predecessors: Array.from({ length: IDS_OF_AN_UPDATE }, randomId),
        successors: Array.from({ length: IDS_OF_AN_UPDATE }, randomId),
      },
    })),
  },
  long_updates: {
    distinct: 200,
    messages: plain(({ target }) => ({
      type: 'update_req',
      update: { type: 'full', uptime: 100_000, predecessors: [], successors: [], fingers: idsBeside(target) },
    })),
  },
  restarts: {
    messages: plain((_, index) => ({
      type: 'update_req',
      update: { type: 'peer_ready', uptime: index % 2 === 0 ? 100_000 : 0 },
    })),
  },
  leaves: {
    distinct: 200,
    messages: plain(({ self, target }) => ({
      ...{ type: 'leave_req', leavingPeerId: self },
      leaveData: { type: 'from_succ', successors: idsBeside(target) },
    })),
  },
  route_queries: {
    messages: plain(() => ({
      type: 'route_query_req',
      sendUpdate: true,
      destination: { type: 'node', nodeId: randomId() },
      overlaySpecificData: none,
    })),
  },
  fetches: { messages: plain((context, index) => ({ type: 'fetch_req', ...oneName(context, index, 1) })) },
  stats: { messages: plain((context, index) => ({ type: 'stat_req', ...oneName(context, index, 1) })) },
  repeated_fetches: {
    messages: plain((context, index) => ({
      ...{ type: 'fetch_req', ...oneName(context, index, SPECIFIERS_OF_A_MESSAGE) },
    })),
  },
  repeated_stats: {
    messages: plain((context, index) => ({
      ...{ type: 'stat_req', ...oneName(context, index, SPECIFIERS_OF_A_MESSAGE) },
    })),
  },
  comings_and_goings: {
    messages: plain(({ self }, index) =>
      index % 2 === 0
        ? { type: 'leave_req', leavingPeerId: self, overlaySpecificData: none }
        : {
            type: 'update_req',
            update: { type: 'neighbors', uptime: 100_000 + index, predecessors: [], successors: [] },
          },
    ),
  },
  replica_stores: { messages: newerValues },
  silent_replica: { manners: 'silent', messages: newerValues },
  refusing_replica: { manners: 'refusing', messages: newerValues },
  claims: {
    messages: (context) => (index) => {
      const by = memberOf(context, Math.floor(index / 2));
      const choice = Math.floor(index / 2 / context.members.length) % 4;
      return {
        body: by.claim(context.ipv4Prefix, choice, index % 2 === 0, index % 3 === 0 ? 1 : 0, context.wallNow + index),
        by,
      };
    },
  },
  errors: {
    manners: 'wrong',
    messages: plain(() => ({ type: 'error', code: ERROR_CODES.not_found, info: none })),
  },
  certificates: {
    distinct: 100,
    messages: (context) => (index) => {
      const others = Array.from({ length: CERTIFICATES_OF_A_MESSAGE }, (_, i) =>
        memberOf(context, index * CERTIFICATES_OF_A_MESSAGE + i),
      );
      return { body: pings(context), certificates: others.flatMap(({ certificates: [own] }) => (own ? [own] : [])) };
    },
  },
};
