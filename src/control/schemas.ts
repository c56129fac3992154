import { z } from 'zod';
import { CERTIFICATE_LIFETIME_S } from '../base/certificate-lifetime.ts';
import {
  MAX_PHONE_FILES,
  MAX_PHONE_FILE_BYTES,
  MAX_PHONE_FILE_NAME,
  MAX_REQUEST_BYTES,
  PHONE_FILE_NAME,
} from './constants.ts';

/**
 * The control socket's protocol: one JSON object a line. A request `{id, method, params}` is answered by
 * `{id, result}` or `{id, error: {code, message}}`, in the order in which answers are ready.
 *
 * Clients must accept fields that they do not know; requests with such fields are refused.
 */
export const requestSchema = z.strictObject({
  id: z.union([z.number().int().nonnegative(), z.string().max(64)]),
  method: z.string().max(64),
  params: z.unknown().optional(),
});

/** A name of the overlay (`bob`, `bob.home.example`), a HIT as an IPv6 address, or an overlay IPv4 address; the agent says when it is none. */
const target = z.string().max(1_024);
/** As an IPv6 address: that is how people and programs see it. */
const hit = z.string();
const passphrase = z.string().min(1).max(1024);
/** `192.0.2.1:6084`, `[2001:db8::1]:6084`. */
const socketAddress = z.string();

const certificateLifetimeS = z.int().min(CERTIFICATE_LIFETIME_S.min).max(CERTIFICATE_LIFETIME_S.max);

const pathSchema = z.object({
  /** RFC 8445 candidate types, of the remote candidate or the local one, whichever is less direct. */
  type: z.enum(['host', 'srflx', 'prflx', 'relay']),
  local: socketAddress,
  remote: socketAddress,
  /** Of `relay`: the member that hands on. Both addresses are HITs then. */
  via: z.object({ hit, name: z.string().nullable() }).optional(),
  /** Of `relay`: `tls`: the other end itself, by TLS over TCP to `remote`; `turn`: by a TURN server of ours, from `local` there. */
  over: z.enum(['tls', 'turn']).optional(),
});

/** One of the paths that the data plane keeps for a link: it goes over to another by itself. */
const keptPathSchema = pathSchema.omit({ type: true }).extend({
  /** The interface by which it leaves; null: the kernel's choice, or relayed. */
  uplink: z.string().nullable(),
  /** `valid`: has answered lately; `suspect`: an answer is late; `candidate`: has not answered yet. */
  state: z.enum(['candidate', 'valid', 'suspect']),
  /** What is sent goes by it. */
  active: z.boolean(),
  /** Smoothed; null: no packets of programs since it is there. */
  rttMs: z.number().nullable(),
  /** Share of what was sent by it, 0 to 1, smoothed. */
  loss: z.number(),
});

const linkSchema = z.object({
  hit,
  /** The overlay name, when it is known. */
  name: z.string().nullable(),
  state: z.enum(['connecting', 'handshaking', 'connected', 'moving', 'closed']),
  /** null until one is selected. */
  path: pathSchema.nullable(),
  /** All that are kept, the one in use first. Empty while there is no link, and of a peer without connection IDs (RFC 9146). */
  paths: z.array(keptPathSchema).optional(),
  /** Smoothed; null before the first measurement. */
  rttMs: z.number().nullable(),
  /** Share of echoes lost lately, 0 to 1; null before the first measurement. */
  loss: z.number().nullable(),
  rxBytes: z.number(),
  txBytes: z.number(),
  /** DTLS handshakes completed: 1 for the life of the association, however often the path changes. */
  handshakes: z.number().optional(),
  /** Why this path, in words. */
  why: z.string().optional(),
  /** `peer`: the overlay keeps it; `tunnel`: packets wanted it. */
  purpose: z.enum(['peer', 'tunnel', 'both']).optional(),
});

/** What the router sends on to us; null: switched off, or in no overlay. */
const portMappingSchema = z
  .object({
    /** `asking`: not known yet. */
    state: z.enum(['asking', 'mapped', 'none']),
    /** The router's address and port, that others can send to. */
    external: socketAddress.nullable(),
    protocol: z.enum(['pcp', 'nat-pmp', 'upnp']).nullable(),
    /** Why there is none: in words for a person. */
    why: z.string().nullable(),
  })
  .nullable();
const natMapping = z.enum([
  'unknown',
  'none',
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]);

const statusSchema = z.object({
  hit,
  ipv4: z.string().nullable(),
  /** null: in none. */
  overlay: z.string().nullable(),
  /** Our own name, as `alice.home.example`. */
  name: z.string().nullable(),
  role: z.enum(['peer', 'client']),
  /**
   * `enrolling`: asks to be let into an overlay; `left`: in none, until it is told to join or create one; `revoked`: nobody
   * links with this host any more.
   */
  state: z.enum(['starting', 'enrolling', 'joining', 'joined', 'alone', 'revoked', 'left', 'stopping']),
  /** What this host is to its overlay, and when its certificate ends (milliseconds since the epoch; null: it has none). */
  membership: z.object({
    state: z.enum(['invited', 'enrolling', 'member', 'renewing', 'revoked', 'left']),
    /** The certificate has ended: others take this host for a guest, who may only ask for a new one. */
    lapsed: z.boolean(),
    expires: z.number().nullable(),
  }),
  /** What keeps this host from its overlay, and what to do: for a person. */
  problem: z.string().nullable(),
  /** What could not be written to the disk, and is in force all the same: tried again every minute. */
  unwritten: z.array(z.string()),
  /** Why it is not in the overlay yet: in words for a person. */
  why: z.string().optional(),
  /** Where the one UDP port is bound. */
  listen: z.array(socketAddress),
  links: z.array(linkSchema),
  version: z.string(),
  pid: z.number(),
  uptimeS: z.number(),
  /** Bugs that were met since the start: each ended one thing, and the log has it. */
  unexpectedErrors: z.number(),
  /** How far the clock of this host is behind the overlay's time, and where that comes from. */
  clock: z.object({ offsetS: z.number(), source: z.enum(['host', 'proof', 'overlay']) }),
  /** What others see of us; the kinds are RFC 4787's. */
  nat: z.object({
    mapping: natMapping,
    /** Our address and port as others see them. */
    mapped: z.array(socketAddress),
  }),
  portMapping: portMappingSchema,
  /** Where members of the overlay find each other without knowing an address; null: in no overlay. */
  rendezvous: z
    .object({
      mode: z.enum(['none', 'mainline']),
      /** Nodes of BitTorrent's DHT that are known: none tells that it is not reached; null: it is not used. */
      nodes: z.number().nullable(),
    })
    .nullable(),
  /** What the kernel says of the interface now; link-local addresses are left out. null: no TUN (`--no-tun`). */
  tun: z.object({ name: z.string(), up: z.boolean(), mtu: z.number(), addresses: z.array(z.string()) }).nullable(),
  /** null: no DNS stub. `zones`: what it answers for, the overlay's name first, then the reverse ones; none in no overlay. */
  dns: z.object({ listen: socketAddress, zones: z.array(z.string()) }).nullable(),
  /** Phones of this host. null: no SIP adaptor. */
  sip: z
    .object({
      port: z.number(),
      /** On all of this host's overlay addresses, and on loopback. */
      listening: z.boolean(),
      /** null: this host is no gateway. */
      trunk: z
        .object({
          /** The provider's. */
          domain: z.string(),
          /** `peer`: calls pass without a registration. */
          state: z.enum(['registering', 'registered', 'peer', 'failed']),
          why: z.string().nullable(),
        })
        .nullable(),
      phones: z.array(
        z.object({
          /** `alice@home.example` */
          user: z.string(),
          /** The URI as the phone wrote it. */
          contact: z.string(),
          transport: z.enum(['udp', 'tcp']),
          /** Where its REGISTER came from. */
          address: socketAddress,
          /** Milliseconds since the epoch: registered, and until when. */
          since: z.number(),
          until: z.number(),
        }),
      ),
    })
    .nullable(),
});

/** What is wrong on this host, the worst first. */
const doctorTopic = z.enum(['sip', 'stream']);
const doctorSchema = z.object({
  topic: doctorTopic,
  findings: z.array(
    z.object({
      /** Stays the same from version to version. */
      id: z.string(),
      /** `warning`: it works all the same, or in part. */
      level: z.enum(['error', 'warning']),
      /** In words for a person, and so what mends it. */
      what: z.string(),
      mend: z.string(),
      /** When it was seen last; absent: it is so now. */
      agoMs: z.number().optional(),
    }),
  ),
});

const pingSchema = z.object({
  target,
  hit,
  /** One for each echo in order; null: lost. */
  rttMs: z.array(z.number().nullable()),
  path: pathSchema.nullable(),
  direct: z.boolean(),
  /** Why this path: in words for a person. */
  why: z.string(),
  /** Hosts of the user that were asked before the one that answers, in vain. */
  unanswered: z.array(z.object({ hit, why: z.string() })).optional(),
  /** Only when this ping made the link. */
  setup: z
    .object({ nameToHitMs: z.number().nullable(), hitToLinkMs: z.number(), firstPacketMs: z.number() })
    .optional(),
});

/** What of an address family this host has, of its best address. `shared`: RFC 6598, behind a NAT of the provider. */
const addressKind = z.enum(['none', 'private', 'shared', 'global']);

const netcheckSchema = z.object({
  nat: z.object({
    /** Which it is: in words for a person. */
    kind: z.string(),
    /** RFC 5780 s4.3; `none`: no NAT. */
    mapping: natMapping,
    /** RFC 5780 s4.4: it takes a STUN server with two addresses to tell, and members have one. */
    filtering: z.enum(['endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'unknown']),
    /** Our address and port as others see them. */
    mapped: z.array(socketAddress),
  }),
  ipv4: addressKind,
  ipv6: addressKind,
  /** Prefixes of NAT64s, as 64:ff9b::/96 (RFC 7050). */
  nat64: z.array(z.string()),
  /** To the Internet; `blocked`: none of two or more answers. `unknown`: there are too few to ask. */
  udp: z.enum(['works', 'blocked', 'unknown']),
  /** How many were asked how they see us. */
  asked: z.number(),
  portMapping: portMappingSchema,
  /** Members that could hand on where no direct path works. */
  relays: z.array(z.object({ hit, name: z.string().nullable() })),
  /** Members that are TURN servers, of those that random places of the overlay know. */
  turnServers: z.array(z.object({ hit, name: z.string().nullable(), address: socketAddress })),
  /** In sentences for a person. */
  works: z.array(z.string()),
  /** What to ask the owner of the network for, the most useful first. */
  ask: z.array(z.string()),
});

const foundSchema = z.object({
  hit,
  ipv4: z.string().nullable(),
  /** The overlay name that the record gives. */
  name: z.string().nullable().optional(),
  user: z.string().nullable(),
  /** Every answer that agreed: the peer that gave it, the node that signed it, its age. Empty: known without asking. */
  saidBy: z.array(z.object({ responder: hit, signer: hit, ageS: z.number() })),
});

const resolveSchema = foundSchema.extend({
  target,
  /** All hosts of a user, those first that are linked with this one, then the latest heard of; the first one's facts stand above, too. */
  hosts: z.array(foundSchema.extend({ linked: z.boolean() })),
  timings: z.object({ totalMs: z.number() }).catchall(z.number()),
});

/** The overlay that the host is in now. */
const enteredSchema = z.object({
  overlay: z.string(),
  hit,
  name: z.string().nullable(),
  /** false: it was there already. */
  changed: z.boolean(),
  /** Where members find each other beside the LAN. */
  rendezvous: z.enum(['none', 'mainline']).optional(),
});

const memberSchema = z.object({
  hit,
  /** `alice@home.example`; null: its certificate names nobody. */
  user: z.string().nullable(),
  /** null: it has told the overlay nothing about itself. */
  role: z.enum(['peer', 'client']).nullable(),
  /** `linked`: with this host, now. */
  state: z.enum(['self', 'linked', 'seen', 'revoked']),
  /** It may let others in. */
  inviter: z.boolean(),
  /** Milliseconds since the epoch; null: never, as far as is known. */
  lastSeen: z.number().nullable(),
  /** When its certificate ends; it is renewed before. Milliseconds since the epoch; null: not known. */
  expires: z.number().nullable(),
});

/** A user is `alice` or `alice@home.example`, and stands for all of its hosts; a HIT stands for one. */
const changedSchema = z.array(z.object({ hit, user: z.string().nullable() }));

/** One that still lets hosts in, as this host made it. */
const ticketSchema = z.object({
  /** What names it without letting anyone in. */
  id: z.string(),
  /** `alice@home.example`; null: the newcomer chooses. */
  user: z.string().nullable(),
  uses: z.number(),
  /** Of `uses`. */
  left: z.number(),
  /** The newcomer takes the place of its user's hosts. */
  replaces: z.boolean(),
  /** Milliseconds since the epoch. */
  madeAt: z.number(),
  expires: z.number(),
});

const MAX_TEXT = 255;
/** Of one request, which is to fit MAX_REQUEST_BYTES. */
export const MAX_CONTACTS_CHANGED = 200;
const contactSchema = z.strictObject({
  /** That of the vCard. */
  uid: z.string().min(1).max(MAX_TEXT),
  name: z.string().min(1).max(MAX_TEXT),
  /** URIs to call: `sip:bob@home.example`, `tel:+4930123`. */
  addresses: z.array(z.string().min(1).max(MAX_TEXT)).max(16),
  /** The vCard (RFC 6350, 2426) without pictures. */
  card: z.string().max(2_048),
});

const fileName = z
  .string()
  .max(MAX_PHONE_FILE_NAME)
  .regex(PHONE_FILE_NAME, 'must be a name of 1 to 64 characters in one line, such as baresip/accounts');
const fileContent = z.base64().max(4 * Math.ceil(MAX_PHONE_FILE_BYTES / 3));
const phoneFileSchema = z.object({
  name: z.string(),
  bytes: z.number(),
  /** Milliseconds since the epoch, by the clock of the host where that was. */
  savedAt: z.number(),
});

/** Of `voicemail`, or what it begins with. */
const messageId = z.string().regex(/^[0-9a-f]{1,16}$/, 'must be an id that `idloc voicemail` shows');
/** A mailbox holds no more. */
const MAX_MESSAGES_REMOVED = 256;

const numberSchema = z.object({
  /** E.164 */
  number: z.string(),
  /** The first part of a user name. */
  member: z.string(),
});

/** Every method: what it takes, what it gives. */
export const methods = {
  status: { params: z.strictObject({}), result: statusSchema },
  invite: {
    params: z.strictObject({
      /** The user or host name that the newcomer gets; absent: it chooses. */
      user: z.string().min(1).max(255).optional(),
      expiresS: z
        .number()
        .int()
        .positive()
        .max(366 * 86_400)
        .optional(),
      uses: z.number().int().positive().max(10_000).optional(),
      /** The user has lost its key: the newcomer takes the place of its hosts. */
      replaces: z.boolean().optional(),
    }),
    /** `id`: names it in `tickets`. `warning`: what its user is to know, and do about it. */
    result: z.object({ ticket: z.string(), id: z.string(), warning: z.string().optional() }),
  },
  tickets: { params: z.strictObject({}), result: z.object({ tickets: z.array(ticketSchema) }) },
  withdraw: {
    /** An id of `tickets`, or what it begins with. */
    params: z.strictObject({ id: z.string().max(64) }),
    result: z.object({ withdrawn: ticketSchema }),
  },
  ping: { params: z.strictObject({ target, count: z.number().int().min(1).max(100).optional() }), result: pingSchema },
  netcheck: { params: z.strictObject({}), result: netcheckSchema },
  doctor: { params: z.strictObject({ topic: doctorTopic }), result: doctorSchema },
  resolve: { params: z.strictObject({ target }), result: resolveSchema },
  members: {
    params: z.strictObject({}),
    /** `missing`: parts of the list that nobody could give; 0 when it is complete. */
    result: z.object({ members: z.array(memberSchema), missing: z.number() }),
  },
  grant: {
    params: z.strictObject({ target, right: z.enum(['invite']) }),
    result: z.object({ granted: changedSchema }),
  },
  revoke: {
    params: z.strictObject({ target }),
    /** `tickets`: how many of this host's ended, since those hosts have used them or they were made for that user. */
    result: z.object({ revoked: changedSchema, tickets: z.number() }),
  },
  rename: {
    params: z.strictObject({ target, name: z.string().min(1).max(255) }),
    result: z.object({ renamed: changedSchema }),
  },
  /** What all members agree on; with anything given, that is to be so from now on: only where the authority's key is. */
  overlay: {
    params: z.strictObject({
      rendezvous: z.enum(['none', 'mainline']).optional(),
      /** Of certificates that are issued from now on. */
      certificateLifetimeS: certificateLifetimeS.optional(),
    }),
    result: z.object({
      overlay: z.string(),
      /** Of the document in force here, 0 to 65534: grows with each change. */
      sequence: z.number(),
      mode: z.enum(['invite', 'open']),
      dnsName: z.string(),
      ipv4Prefix: z.string(),
      rendezvous: z.enum(['none', 'mainline']),
      certificateLifetimeS: z.number(),
      /** Bytes. */
      maxMessageSize: z.number(),
      initialTtl: z.number(),
      reliabilityTimerMs: z.number(),
      chordUpdateIntervalS: z.number(),
      chordPingIntervalS: z.number(),
      /** Milliseconds since the epoch; null: never. */
      expiration: z.number().nullable(),
      /** SHA-256 of the authority's key, hexadecimal. */
      authority: z.string(),
      /** The authority's key is on this host. */
      hasAuthority: z.boolean(),
      /** By this request. */
      changed: z.boolean(),
    }),
  },
  counters: { params: z.strictObject({}), result: z.record(z.string(), z.number()) },
  join: {
    params: z.strictObject({
      ticket: z.string().max(16_384),
      /** The host name to ask for, one label; absent: as the ticket or the configuration says. */
      name: z.string().min(1).max(63).optional(),
    }),
    result: enteredSchema,
  },
  create: {
    params: z.strictObject({
      overlay: z.string().min(1).max(255),
      /** Absent: as the configuration says. */
      rendezvous: z.enum(['none', 'mainline']).optional(),
    }),
    result: enteredSchema,
  },
  leave: {
    /** `force`: though nobody else lets others in. */
    params: z.strictObject({ force: z.boolean().optional() }),
    /** `files`: where those of the membership are now. `givenBack`: all who let hosts in know that name and address are free. */
    result: z.object({ overlay: z.string(), files: z.string(), givenBack: z.boolean() }),
  },
  /** The text is for a file of its owner alone. */
  exportAuthority: {
    params: z.strictObject({ passphrase }),
    result: z.object({ overlay: z.string(), text: z.string() }),
  },
  importAuthority: {
    params: z.strictObject({ text: z.string().max(MAX_REQUEST_BYTES), passphrase }),
    result: enteredSchema,
  },
  /** The user's address book. `problem`: why the overlay, and so the user's other hosts, do not have the latest; null: they do. */
  contacts: {
    params: z.strictObject({}),
    result: z.object({ contacts: z.array(contactSchema), problem: z.string().nullable() }),
  },
  changeContacts: {
    params: z.strictObject({
      /** In place of those with the same UID. */
      put: z.array(contactSchema).max(MAX_CONTACTS_CHANGED),
      /** UIDs. */
      remove: z.array(z.string().max(MAX_TEXT)).max(MAX_CONTACTS_CHANGED),
    }),
    /** How many. */
    result: z.object({ put: z.number(), removed: z.number() }),
  },
  /** Files of the user's phones; `problem` as of `contacts`. */
  phoneFiles: {
    params: z.strictObject({}),
    result: z.object({ files: z.array(phoneFileSchema), problem: z.string().nullable() }),
  },
  readPhoneFile: {
    params: z.strictObject({ name: fileName }),
    /** `content`: in base64. */
    result: phoneFileSchema.extend({ content: z.string() }),
  },
  savePhoneFile: {
    /** In place of the one with the same name. `content`: in base64. */
    params: z.strictObject({ name: fileName, content: fileContent }),
    result: phoneFileSchema.extend({ problem: z.string().nullable() }),
  },
  /** None where there is no file of one of the names. */
  removePhoneFiles: {
    params: z.strictObject({ names: z.array(fileName).min(1).max(MAX_PHONE_FILES) }),
    result: z.object({ removed: z.array(z.string()), problem: z.string().nullable() }),
  },
  /** What others have left for the user, the oldest first. `problem`: why that may not be all; null: it is. */
  voicemail: {
    params: z.strictObject({}),
    result: z.object({
      messages: z.array(
        z.object({
          id: z.string(),
          /** `carol@home.example`; a number, where a gateway of this host has taken the call. */
          from: z.string(),
          /** Milliseconds since the epoch, by the caller's clock. */
          at: z.number(),
          seconds: z.number(),
          /** Nobody has heard it on this host. */
          isNew: z.boolean(),
          /** False: parts of it were missing, or it was no recording, when it was read last. */
          isWhole: z.boolean(),
        }),
      ),
      problem: z.string().nullable(),
    }),
  },
  /** `ogg`: Ogg Opus, in base64. The message is as new as before: whoever has got it says that it is heard. */
  readVoicemail: {
    params: z.strictObject({ id: messageId }),
    result: z.object({ id: z.string(), ogg: z.string() }),
  },
  /** On this host. */
  markVoicemailHeard: { params: z.strictObject({ id: messageId }), result: z.object({}) },
  removeVoicemail: {
    params: z.strictObject({ ids: z.array(messageId).min(1).max(MAX_MESSAGES_REMOVED) }),
    /** Their ids in full. */
    result: z.object({ removed: z.array(z.string()) }),
  },
  /** Of a gateway: whose numbers are. `published`: the overlay has it, so that other members find it there. */
  numbers: {
    params: z.strictObject({}),
    result: z.object({
      numbers: z.array(
        z.object({
          number: z.string(),
          member: z.string(),
          from: z.enum(['command', 'settings']),
          published: z.boolean(),
        }),
      ),
    }),
  },
  assignNumber: {
    params: z.strictObject({ number: z.string().min(1).max(64), member: z.string().min(1).max(MAX_TEXT) }),
    result: numberSchema,
  },
  releaseNumber: { params: z.strictObject({ number: z.string().min(1).max(64) }), result: numberSchema },
  down: { params: z.strictObject({}), result: z.object({}) },
} as const;

export type Method = keyof typeof methods;
export type Params<M extends Method> = z.infer<(typeof methods)[M]['params']>;
export type Result<M extends Method> = z.infer<(typeof methods)[M]['result']>;

export type Status = Result<'status'>;
export type LinkStatus = Status['links'][number];
export type TicketStatus = Result<'withdraw'>['withdrawn'];
export type ContactEntry = Result<'contacts'>['contacts'][number];
export type PhoneFileEntry = Result<'phoneFiles'>['files'][number];
export type VoiceMessage = Result<'voicemail'>['messages'][number];
export type MemberStatus = Result<'members'>['members'][number];
export type PathStatus = z.infer<typeof pathSchema>;

/**
 * What the agent does for its local clients. `signal` aborts when the client goes away. Rejections with an `IdlocError` reach
 * the client with their code and message; others are a bug, logged, and shown as `internal`.
 */
export type ControlHandlers = {
  readonly [M in Method]: (params: Params<M>, signal: AbortSignal) => Result<M> | Promise<Result<M>>;
};
