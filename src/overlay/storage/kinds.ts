import type { DataModel } from '../../reload/index.ts';
import { ABANDONED_AFTER_MS } from '../../identity/enrollment-register.ts';
import { KIND_IDS } from '../../reload/index.ts';
import { MAIL_LIFETIME_S, MAX_MAIL_PART_BYTES } from './mail-value.ts';
import { FILE_PLACES, MAX_PART_BYTES, OWN_PLACES, type PartPlaces } from './own-part.ts';
import { reservationOf } from './values.ts';

/**
 * Who may write a value (RFC 6940 s7.3). NODE-SHARD is idloc's own: each node its entry in its part of the members' list.
 * FIRST-CLAIM is idloc's own: whoever comes first, until the claim expires or is
 * given back (`judge` in admission.ts). INVITER-CLAIM is the same for those that may let hosts in. USER-NODE-PART is idloc's own: as
 * USER-NODE-MATCH, at each of a few places of the user (`own-part.ts`). USER-NODE-NUMBER is idloc's own: as USER-NODE-MATCH, at the place
 * that the user has for a telephone number (`number-value.ts`). MAILBOX is idloc's own: each node its entry at the places of a user's
 * mailbox, which that user's nodes may take away. NODE-PART is idloc's own: each node at the places that it has for parts (`mail-value.ts`).
 */
export type AccessPolicy =
  | 'USER-MATCH'
  | 'NODE-MATCH'
  | 'USER-NODE-MATCH'
  | 'USER-NODE-PART'
  | 'USER-NODE-NUMBER'
  | 'MAILBOX'
  | 'NODE-PART'
  | 'NODE-MULTIPLE'
  | 'NODE-SHARD'
  | 'FIRST-CLAIM'
  | 'INVITER-CLAIM';

/** A Kind definition (RFC 6940 s7.4.5, s11.1). */
export interface Kind {
  readonly id: number;
  readonly name: string;
  readonly dataModel: DataModel;
  readonly accessPolicy: AccessPolicy;
  /** Values under one Resource-ID. */
  readonly maxCount: number;
  /** Where there are as many as there may be, what was taken away gives way to what comes: others have its place. */
  readonly removedGiveWay?: boolean;
  /** Bytes of one value. */
  readonly maxSize: number;
  /**
   * Longest life of a value from when it was written, in seconds; absent: MAX_LIFETIME_S. The signature does not cover the
   * lifetime, so this is how long a replay works after a value was meant to end: short for what is meant to be short.
   */
  readonly maxLifetimeS?: number;
  /** For NODE-MULTIPLE (s7.3.4). */
  readonly maxNodeMultiple?: number;
  /** What is large, and not needed for the overlay to live: it has bounds of its own (`BulkShare`). */
  readonly isBulk?: boolean;
  /** For USER-NODE-PART. */
  readonly parts?: PartPlaces;
  /** Of a claim: how long after it was written it keeps others away, in milliseconds. Absent: as long as it lives. */
  readonly claimMs?: (value: Uint8Array) => number;
}

/** s8: certificates of the holder of a Node-ID. */
export const CERTIFICATE_BY_NODE: Kind = {
  id: KIND_IDS.certificateByNode,
  name: 'CERTIFICATE_BY_NODE',
  dataModel: 'array',
  accessPolicy: 'NODE-MATCH',
  maxCount: 4,
  maxSize: 4096,
};

/** s8: certificates of the hosts of a user. */
export const CERTIFICATE_BY_USER: Kind = {
  id: KIND_IDS.certificateByUser,
  name: 'CERTIFICATE_BY_USER',
  dataModel: 'array',
  accessPolicy: 'USER-MATCH',
  maxCount: 16,
  maxSize: 4096,
};

/** A user's hosts: a dictionary keyed by Node-ID at the user's name (`alice@example.net`). */
export const IDLOC_NAME: Kind = {
  id: 0xf0001001,
  name: 'IDLOC-NAME',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-MATCH',
  maxCount: 16,
  maxSize: 64,
};

/** The holder of an IPv4 overlay address, at `ipv4:198.18.1.2`. */
export const IDLOC_IPV4: Kind = {
  id: 0xf0001002,
  name: 'IDLOC-IPV4',
  dataModel: 'single',
  accessPolicy: 'FIRST-CLAIM',
  maxCount: 1,
  maxSize: 512,
};

/** User and IPv4 address of a host, at its Node-ID: what reverse lookups need. */
export const IDLOC_HOST: Kind = {
  id: 0xf0001003,
  name: 'IDLOC-HOST',
  dataModel: 'single',
  accessPolicy: 'NODE-MATCH',
  maxCount: 1,
  maxSize: 512,
};

/** Who belongs to the overlay: a dictionary keyed by Node-ID, at `members:00` to `members:3f`. */
export const IDLOC_MEMBER: Kind = {
  id: 0xf0001004,
  name: 'IDLOC-MEMBER',
  dataModel: 'dictionary',
  accessPolicy: 'NODE-SHARD',
  maxCount: 1024,
  maxSize: 64,
};

/** Where a peer can be reached at now, at its Node-ID: for whoever is to find it when there is no link to it, and next time. */
export const IDLOC_LOCATORS: Kind = {
  id: 0xf0001005,
  name: 'IDLOC-LOCATORS',
  dataModel: 'single',
  accessPolicy: 'NODE-MATCH',
  maxCount: 1,
  maxSize: 256,
  maxLifetimeS: 3_600,
};

/** A user name that an inviter keeps for whom it has let in, or is to let in: at `user:carol@example.net`. */
export const IDLOC_RESERVATION: Kind = {
  id: 0xf0001006,
  name: 'IDLOC-RESERVATION',
  dataModel: 'single',
  accessPolicy: 'INVITER-CLAIM',
  maxCount: 1,
  maxSize: 512,
  claimMs: (value) => ((reservationOf(value)?.hit ?? null) === null ? Infinity : ABANDONED_AFTER_MS),
};

/** s9: where a member is a TURN server for the others, at H(Node-ID || i). Short, since it is an address. */
export const TURN_SERVICE: Kind = {
  id: KIND_IDS.turnService,
  name: 'TURN-SERVICE',
  dataModel: 'single',
  accessPolicy: 'NODE-MULTIPLE',
  maxCount: 1,
  maxSize: 32,
  maxLifetimeS: 3_600,
  maxNodeMultiple: 20,
};

/**
 * RFC 7904 s7: where the phones of a user are registered, a dictionary keyed by Node-ID at the user's name. Its life of ten minutes
 * (sip/usage) and twice what clocks may differ by: so long a record works that somebody keeps behind its end.
 */
export const SIP_REGISTRATION: Kind = {
  id: KIND_IDS.sipRegistration,
  name: 'SIP-REGISTRATION',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-MATCH',
  maxCount: 16,
  maxSize: 512,
  maxLifetimeS: 1_800,
};

/**
 * Where a member leads out to the SIP world, a dictionary keyed by Node-ID at the user's name: its trunk's domain. As short as
 * SIP-REGISTRATION, which it is kept like.
 */
export const IDLOC_GATEWAY: Kind = {
  id: 0xf0001020,
  name: 'IDLOC-GATEWAY',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-MATCH',
  maxCount: 16,
  maxSize: 256,
  maxLifetimeS: 1_800,
};

/**
 * Whom a telephone number calls, as a gateway's host says (ENUM is the like of it, RFC 6116): a dictionary keyed by Node-ID at
 * `number:TOKEN:office@home.example`. It lives two hours (sip/usage), and the clocks of two hosts may differ.
 */
export const IDLOC_NUMBER: Kind = {
  id: 0xf0001021,
  name: 'IDLOC-NUMBER',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-NUMBER',
  maxCount: 16,
  maxSize: 300,
  maxLifetimeS: 10_800,
};

/** Which numbers a gateway may have given, a dictionary keyed by Node-ID at the user's name: a mark of each. As long as they. */
export const IDLOC_NUMBERS: Kind = {
  id: 0xf0001022,
  name: 'IDLOC-NUMBERS',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-MATCH',
  maxCount: 16,
  maxSize: 256,
  maxLifetimeS: 10_800,
};

/** Of documents of a user's hosts. */
export type DocumentKind = Kind & { readonly parts: PartPlaces };

/** The user's contacts, encrypted: a part for each of the user's hosts, keyed by Node-ID, at each `own:0:0:alice@example.net`. */
export const IDLOC_OWN: DocumentKind = {
  id: 0xf0001010,
  name: 'IDLOC-OWN',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-PART',
  maxCount: 16,
  maxSize: MAX_PART_BYTES,
  parts: OWN_PLACES,
};

/** The files of the user's phones, encrypted, in the same way at each `files:0:0:alice@example.net`. */
export const IDLOC_FILES: DocumentKind = {
  id: 0xf0001011,
  name: 'IDLOC-FILES',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-PART',
  maxCount: 16,
  maxSize: MAX_PART_BYTES,
  parts: FILE_PLACES,
  isBulk: true,
};

/** That a user takes voice mail, and how: a dictionary keyed by Node-ID at the user's name. No longer than the mail itself. */
export const IDLOC_MAILBOX: Kind = {
  id: 0xf0001030,
  name: 'IDLOC-MAILBOX',
  dataModel: 'dictionary',
  accessPolicy: 'USER-NODE-MATCH',
  maxCount: 16,
  maxSize: 64,
  maxLifetimeS: MAIL_LIFETIME_S,
};

/**
 * Who has left a message for a user, a dictionary keyed by the Node-ID of who has, at `mail:0:bob@example.net` to `mail:7:...`. What all of
 * a place are is told in one message; a host has one at each place, of 256 in the whole mailbox.
 */
export const IDLOC_MAIL: Kind = {
  id: 0xf0001031,
  name: 'IDLOC-MAIL',
  dataModel: 'dictionary',
  accessPolicy: 'MAILBOX',
  maxCount: 32,
  removedGiveWay: true,
  maxSize: 2_048,
  maxLifetimeS: MAIL_LIFETIME_S,
  isBulk: true,
};

/** A part of a recording, at `mail-part:NODE-ID:SLOT:INDEX` of the host that has left it. */
export const IDLOC_MAIL_PART: Kind = {
  id: 0xf0001032,
  name: 'IDLOC-MAIL-PART',
  dataModel: 'single',
  accessPolicy: 'NODE-PART',
  maxCount: 1,
  maxSize: MAX_MAIL_PART_BYTES,
  maxLifetimeS: MAIL_LIFETIME_S,
  isBulk: true,
};

export const DEFAULT_KINDS: readonly Kind[] = [
  CERTIFICATE_BY_NODE,
  CERTIFICATE_BY_USER,
  IDLOC_NAME,
  IDLOC_IPV4,
  IDLOC_HOST,
  IDLOC_MEMBER,
  IDLOC_LOCATORS,
  IDLOC_RESERVATION,
  TURN_SERVICE,
  SIP_REGISTRATION,
  IDLOC_GATEWAY,
  IDLOC_NUMBER,
  IDLOC_NUMBERS,
  IDLOC_OWN,
  IDLOC_FILES,
  IDLOC_MAILBOX,
  IDLOC_MAIL,
  IDLOC_MAIL_PART,
];

/** A Kind as the overlay's configuration defines it (RFC 6940 s11.1, kind-block). */
export interface ConfiguredKind {
  /** Its ID, or the name that IANA registered. */
  readonly kind: number | string;
  readonly dataModel: Uppercase<DataModel>;
  readonly accessControl: string;
  readonly maxCount: number;
  /** Bytes. */
  readonly maxSize: number;
  readonly maxNodeMultiple?: number;
}

const MODELS = { SINGLE: 'single', ARRAY: 'array', DICTIONARY: 'dictionary' } as const;

/** s7.3: those that a configuration may ask for by their names. */
const POLICIES: readonly AccessPolicy[] = ['USER-MATCH', 'NODE-MATCH', 'USER-NODE-MATCH', 'NODE-MULTIPLE'];

/**
 * Kinds that are stored here: idloc's own, and those of the overlay's configuration. One of those is left out when its name or
 * its access policy is not known, since nobody could say who may write it; idloc's own stay what they are.
 */
export function kindsOf(configured: readonly ConfiguredKind[]): readonly Kind[] {
  const kinds = new Map(DEFAULT_KINDS.map((kind) => [kind.id, kind]));
  for (const { kind: id, accessControl, dataModel, ...bounds } of configured) {
    const accessPolicy = POLICIES.find((policy) => policy === accessControl);
    // Those that have a name (s14.6; RFC 7904 s9.1) are idloc's own by now.
    if (typeof id === 'string' || accessPolicy === undefined || kinds.has(id)) continue;
    kinds.set(id, { id, name: String(id), dataModel: MODELS[dataModel], accessPolicy, ...bounds });
  }
  return [...kinds.values()];
}
