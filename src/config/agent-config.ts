import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { CERTIFICATE_LIFETIME_S } from '../base/certificate-lifetime.ts';
import { messageOf } from '../base/errors.ts';
import { parseSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isMemberLabel, isOverlayName, isUserName } from '../identity/names.ts';
import { DEFAULT_STATE_DIRECTORY } from '../identity/state-directory.ts';
import { parseEndpoint, type Endpoint } from './endpoint.ts';
import { ConfigError } from './errors.ts';
import type { RendezvousMode } from './overlay-configuration.ts';
import { sipSchema, sipSettings, type SipSettings } from './sip-settings.ts';
import { storageSchema, storageSettings, type StorageSettings } from './storage-settings.ts';
import { streamCertificate, type StreamCertificate, type StreamCertificateFiles } from './stream-certificate.ts';
import { turnSchema, turnSettings, type TurnSettings } from './turn-settings.ts';
import { turnServerSchema, turnServerSettings, type TurnServerSettings } from './turn-server-settings.ts';
import { voiceMailSchema, voiceMailSettings, type VoiceMailSettings } from './voice-mail-settings.ts';
import { isIpv4Prefix } from '../base/ipv4-prefix.ts';

export const DEFAULT_CONFIG_PATH = '/etc/idloc/config.toml';
const MAX_CONFIG_BYTES = 65_536;

/** RFC 6940 s14.2. */
const RELOAD_PORT = 6084;
/** RFC 8200 s5: an IPv6 link carries this at least. */
const MIN_TUN_MTU = 1280;
const MAX_TUN_MTU = 9000;
/** RT_TABLE_MAX */
const MAX_TABLE = 0xffff_ffff;
/** RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL */
const KERNEL_TABLES: readonly number[] = [253, 254, 255];
/** All of 127.0.0.0/8 is this host; port 53 of 127.0.0.1 and 127.0.0.53 often has another resolver. */
const DEFAULT_DNS_ADDRESS: SocketAddress = { address: '127.0.60.84', port: 53 };

const hostName = z
  .string()
  .refine(isMemberLabel, 'must be one label of a host name: a-z, 0-9 and -, at most 63, such as saturn');
const path = z.string().regex(/^[^\0]{1,4096}$/, 'must be a path');
/** Linux takes names of up to 15 bytes without / and spaces. */
const interfaceName = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,15}$/, 'must be an interface name of at most 15 characters');
const address = z.string().transform((text, context): SocketAddress => {
  const parsed = parseSocketAddress(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: 'must be an address with a port, such as 127.0.0.1:53 or [::1]:53' });
  return z.NEVER;
});
/** BEP 5's ways in; each is run by someone else. */
const MAINLINE_ROUTERS: readonly Endpoint[] = [
  { host: 'router.bittorrent.com', port: 6881 },
  { host: 'router.utorrent.com', port: 6881 },
  { host: 'dht.transmissionbt.com', port: 6881 },
  { host: 'dht.libtorrent.org', port: 25_401 },
];
/** Few: each is asked, or goes into tickets. */
const MAX_ENDPOINTS = 8;
const endpoint = z.string().transform((text, context): Endpoint => {
  const parsed = parseEndpoint(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({
    code: 'custom',
    message: 'must be an address or a host name with a port, such as 203.0.113.7:6084 or home.example.org:6084',
  });
  return z.NEVER;
});
const endpoints = z.array(endpoint).max(MAX_ENDPOINTS);
/** More than a host has uplinks. */
const MAX_INTERFACES = 16;
const interfaces = z.array(interfaceName).max(MAX_INTERFACES);

/** A family or two, a port or two. */
const MAX_STREAM_LISTENERS = 4;
const MAX_ALPN = 4;
/** RFC 6066 s3: a DNS name in ASCII, no address. */
const serverName = z
  .string()
  .regex(
    /^(?=.{1,253}$)(?!.*\.[0-9]+$)([A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}$/,
    'must be a host name such as www.example.org',
  );
/** RFC 7301 s3.1. */
const alpnName = z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be a protocol name such as http/1.1');
/** As of anything that is no browser. */
const DEFAULT_ALPN = ['http/1.1'];

/** Less would not let a single datagram of one member through. */
const MIN_RELAY = 64_000;
const MAX_RELAY = 0xffff_ffff;

const limit = z.int().min(1).max(0xffff_ffff);

/** What the file may say, and the command line in the same words. Everything is optional, nothing else is allowed. */
export const agentConfigSchema = z.strictObject({
  name: hostName.optional(),
  user: z
    .string()
    .refine(isUserName, 'must be a user name such as alice@example.net, its first part of a-z, 0-9 and -')
    .optional(),
  overlay: z
    .string()
    .refine(isOverlayName, 'must be an overlay name of at least two labels, such as home.example')
    .optional(),
  listen: z.int().min(0).max(65_535).optional(),
  role: z.enum(['auto', 'peer', 'client']).optional(),
  state: path.optional(),
  socket: path.optional(),
  log: z.enum(['debug', 'info', 'warn', 'error']).optional(),
  ipv4_prefix: z.string().refine(isIpv4Prefix, 'must be a prefix such as 198.18.0.0/15').optional(),
  certificate_lifetime: z.int().min(CERTIFICATE_LIFETIME_S.min).max(CERTIFICATE_LIFETIME_S.max).optional(),
  copy_dscp: z.boolean().optional(),
  sleep: z.boolean().optional(),
  rendezvous: z.enum(['none', 'mainline']).optional(),
  mdns: z.boolean().optional(),
  port_mapping: z.boolean().optional(),
  mainline_bootstrap: endpoints.optional(),
  advertise: endpoints.optional(),
  stun: endpoints.optional(),
  tun: z
    .strictObject({
      enable: z.boolean().optional(),
      name: interfaceName.optional(),
      mtu: z.int().min(MIN_TUN_MTU).max(MAX_TUN_MTU).optional(),
      table: z
        .int()
        .min(1)
        .max(MAX_TABLE)
        .refine((table) => !KERNEL_TABLES.includes(table), 'must be none of the tables of the kernel, 253 to 255')
        .optional(),
    })
    .optional(),
  uplinks: z.strictObject({ forbid: interfaces.optional(), prefer: interfaces.optional() }).optional(),
  dns: z.strictObject({ enable: z.boolean().optional(), listen: address.optional() }).optional(),
  stream: z
    .strictObject({
      listen: z.array(address).max(MAX_STREAM_LISTENERS).optional(),
      server_name: serverName.optional(),
      alpn: z.array(alpnName).max(MAX_ALPN).optional(),
      certificate_file: path.optional(),
      key_file: path.optional(),
    })
    .optional(),
  sip: sipSchema.optional(),
  voicemail: voiceMailSchema.optional(),
  storage: storageSchema.optional(),
  turn: turnSchema.optional(),
  turn_server: turnServerSchema.optional(),
  relay: z
    .strictObject({
      enable: z.boolean().optional(),
      bytes_per_second: z.int().min(MIN_RELAY).max(MAX_RELAY).optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      half_open_handshakes: limit.optional(),
      held_bytes: limit.optional(),
      early_bytes: limit.optional(),
      queued_bytes: limit.optional(),
      event_bytes: limit.optional(),
    })
    .optional(),
});

/** As in the file; a key that is undefined counts as absent. */
export type AgentConfigInput = z.input<typeof agentConfigSchema>;

export type Role = 'auto' | 'peer' | 'client';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface AgentConfig {
  /** Host name in the overlay, without the overlay's; null: the machine's. */
  readonly name: string | null;
  /** User name to ask for when joining; null: what the ticket says. */
  readonly user: string | null;
  /** The overlay to be in or to create; null: the one in the state directory. */
  readonly overlay: string | null;
  /** UDP port; 0: any free one. */
  readonly listen: number;
  readonly role: Role;
  /** State directory. */
  readonly state: string;
  /** Path of the control socket. */
  readonly socket: string;
  readonly log: LogLevel;
  /** For an overlay that this agent creates; null: the default. Members take it from the overlay. */
  readonly ipv4Prefix: string | null;
  /** Seconds, for an overlay that this agent creates; null: a year. */
  readonly certificateLifetimeS: number | null;
  /** The DSCP of packets goes onto the datagrams that carry them. */
  readonly copyDscp: boolean;
  /** Links between hosts that hold up no overlay send nothing while they carry nothing. */
  readonly sleep: boolean;
  /** For an overlay that this agent creates: where its members find each other beside the LAN; null: nowhere. Members take it from the overlay. */
  readonly rendezvous: RendezvousMode | null;
  /** Members are looked for, and answered, on the LAN. */
  readonly mdns: boolean;
  /** A router in front of this host is asked to let others in (PCP, NAT-PMP, UPnP). */
  readonly portMapping: boolean;
  /** Nodes of BitTorrent's Mainline DHT to start from. */
  readonly mainlineBootstrap: readonly Endpoint[];
  /** Where others can come to us, as this host cannot know: forwarded ports, 1:1 NAT. Goes into tickets first. */
  readonly advertise: readonly Endpoint[];
  /** STUN servers that tell how the world sees us. */
  readonly stun: readonly Endpoint[];
  /** `enable` false: overlay peer only, no privilege needed. `mtu` undefined: it follows the paths. `table` undefined: the main routing table. */
  readonly tun: {
    readonly enable: boolean;
    readonly name: string;
    readonly mtu: number | undefined;
    readonly table: number | undefined;
  };
  /** Interfaces whose addresses members are not told and that nothing is sent from, and those that go before others. */
  readonly uplinks: { readonly forbid: readonly string[]; readonly prefer: readonly string[] };
  readonly dns: { readonly enable: boolean; readonly listen: SocketAddress };
  readonly sip: SipSettings;
  /** What this host says for its user to whoever calls in vain; absent: nothing. */
  readonly voiceMail?: VoiceMailSettings;
  readonly storage: StorageSettings;
  /**
   * TCP addresses where streams of hosts whose UDP is blocked, and of TURN clients, are accepted; what this host's streams show in TLS
   * (SNI, ALPN), and those that it accepts (absent: a certificate that is made at the start).
   */
  readonly stream: {
    readonly listen: readonly SocketAddress[];
    readonly serverName: string | null;
    readonly alpn: readonly string[];
    readonly certificate?: StreamCertificate;
    /** Where it is found again, renewed. */
    readonly certificateFiles?: StreamCertificateFiles;
  };
  /** TURN servers that hand on where no direct way leads; absent: none. */
  readonly turn?: TurnSettings;
  /** This host as a TURN server for others; absent, and off: it is none. */
  readonly turnServer?: TurnServerSettings | 'off';
  /** What this host, as a peer, hands on between other members that have no direct path; 0: nothing. Absent: the default. */
  readonly relayBytesPerSecond?: number;
  /** Bounds of the data plane's memory (`DataPlaneLimits`); what is absent has its default there. */
  readonly limits: {
    readonly halfOpenHandshakes?: number;
    readonly heldBytes?: number;
    readonly earlyBytes?: number;
    readonly queuedBytes?: number;
    readonly eventBytes?: number;
  };
}

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * @param path null: the default path, which may be missing.
 * @throws {ConfigError} when the file cannot be read.
 */
export function readConfigFile(path: string | null): ConfigFile | undefined {
  const chosen = path ?? DEFAULT_CONFIG_PATH;
  try {
    const text = readFileSync(chosen, 'utf8');
    if (text.length > MAX_CONFIG_BYTES) throw new ConfigError(`${chosen}: longer than ${MAX_CONFIG_BYTES} bytes`);
    return { path: chosen, text };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if (path === null && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new ConfigError(`${chosen}: cannot be read: ${messageOf(cause).replace(/, .*$/s, '')}`, { cause });
  }
}

/**
 * The command line goes before the file, the file before the defaults.
 * @throws {ConfigError} for the first thing that is wrong.
 */
export function agentConfig(file: ConfigFile | undefined, commandLine: AgentConfigInput): AgentConfig {
  const fromFile: z.output<typeof agentConfigSchema> = file === undefined ? {} : parseFile(file);
  const fromCommand = agentConfigSchema.safeParse(commandLine);
  if (!fromCommand.success) throw new ConfigError(`command line: ${describe(fromCommand.error).text}`);
  const inputs = [fromCommand.data, fromFile];
  const pick = <T>(choose: (input: z.output<typeof agentConfigSchema>) => T | undefined): T | undefined =>
    inputs.map(choose).find((value) => value !== undefined);
  const tun = {
    enable: pick((input) => input.tun?.enable) ?? true,
    name: pick((input) => input.tun?.name) ?? 'idloc0',
    mtu: pick((input) => input.tun?.mtu),
    table: pick((input) => input.tun?.table),
  };
  return {
    name: pick((input) => input.name) ?? null,
    user: pick((input) => input.user) ?? null,
    overlay: pick((input) => input.overlay) ?? null,
    listen: pick((input) => input.listen) ?? RELOAD_PORT,
    role: pick((input) => input.role) ?? 'auto',
    state: pick((input) => input.state) ?? DEFAULT_STATE_DIRECTORY,
    socket: pick((input) => input.socket) ?? '/run/idloc/idloc.sock',
    log: pick((input) => input.log) ?? 'info',
    ipv4Prefix: pick((input) => input.ipv4_prefix) ?? null,
    certificateLifetimeS: pick((input) => input.certificate_lifetime) ?? null,
    copyDscp: pick((input) => input.copy_dscp) ?? false,
    sleep: pick((input) => input.sleep) ?? false,
    rendezvous: pick((input) => input.rendezvous) ?? null,
    mdns: pick((input) => input.mdns) ?? true,
    portMapping: pick((input) => input.port_mapping) ?? true,
    mainlineBootstrap: pick((input) => input.mainline_bootstrap) ?? MAINLINE_ROUTERS,
    advertise: pick((input) => input.advertise) ?? [],
    stun: pick((input) => input.stun) ?? [],
    tun,
    uplinks: {
      forbid: pick((input) => input.uplinks?.forbid) ?? [],
      prefer: pick((input) => input.uplinks?.prefer) ?? [],
    },
    dns: {
      enable: pick((input) => input.dns?.enable) ?? true,
      listen: pick((input) => input.dns?.listen) ?? DEFAULT_DNS_ADDRESS,
    },
    sip: sipSettings(fromFile.sip, tun, file?.path ?? DEFAULT_CONFIG_PATH),
    storage: storageSettings(fromFile.storage),
    stream: {
      listen: pick((input) => input.stream?.listen) ?? [],
      serverName: pick((input) => input.stream?.server_name) ?? null,
      alpn: pick((input) => input.stream?.alpn) ?? DEFAULT_ALPN,
      ...streamCertificate(fromFile.stream ?? {}, file?.path ?? DEFAULT_CONFIG_PATH),
    },
    ...given({
      voiceMail: voiceMailSettings(fromFile.voicemail),
      turn: fromFile.turn === undefined ? undefined : turnSettings(fromFile.turn, file?.path ?? DEFAULT_CONFIG_PATH),
      turnServer:
        fromFile.turn_server === undefined
          ? undefined
          : turnServerSettings(fromFile.turn_server, file?.path ?? DEFAULT_CONFIG_PATH),
      relayBytesPerSecond:
        pick((input) => input.relay?.enable) === false ? 0 : pick((input) => input.relay?.bytes_per_second),
    }),
    limits: given({
      halfOpenHandshakes: pick((input) => input.limits?.half_open_handshakes),
      heldBytes: pick((input) => input.limits?.held_bytes),
      earlyBytes: pick((input) => input.limits?.early_bytes),
      queuedBytes: pick((input) => input.limits?.queued_bytes),
      eventBytes: pick((input) => input.limits?.event_bytes),
    }),
  };
}

/** Without the keys that are undefined. */
function given<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function parseFile({ path: name, text }: ConfigFile): z.output<typeof agentConfigSchema> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [reason = ''] = cause.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw new ConfigError(`${name}:${cause.line}: ${reason}`, { cause });
  }
  const result = agentConfigSchema.safeParse(value);
  if (result.success) return result.data;
  const { text: what, key } = describe(result.error);
  const line = lineOf(text, key);
  throw new ConfigError(`${name}${line === undefined ? '' : `:${line}`}: ${what}`);
}

/** The first issue of zod in one line, and the key it is about. */
function describe(error: z.ZodError): { text: string; key: string[] } {
  const [issue] = error.issues;
  if (issue === undefined) return { text: 'not understood', key: [] };
  const key = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    key.push(issue.keys[0] ?? '');
    return { text: `${key.join('.')}: there is no such setting`, key };
  }
  return { text: `${key.join('.')}: ${issue.message}`, key };
}

/** The line of a key in TOML text, or of the nearest table around it. smol-toml keeps no positions. */
function lineOf(text: string, key: readonly string[]): number | undefined {
  let table: string[] = [];
  let best: { line: number; depth: number } | undefined;
  text.split('\n').forEach((content, index) => {
    const header = /^\s*\[([^[\]]+)\]/.exec(content)?.[1];
    const assigned = /^\s*([A-Za-z0-9_."' -]+?)\s*=/.exec(content)?.[1];
    if (header !== undefined) table = segments(header);
    const here = header !== undefined ? table : assigned !== undefined ? [...table, ...segments(assigned)] : undefined;
    if (here === undefined || here.length > key.length || here.some((segment, i) => segment !== key[i])) return;
    if (best === undefined || here.length > best.depth) best = { line: index + 1, depth: here.length };
  });
  return best?.line;
}

function segments(dotted: string): string[] {
  return dotted.split('.').map((segment) => segment.trim().replace(/^["']|["']$/g, ''));
}
