import { z } from 'zod';
import { parseSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isMemberLabel } from '../identity/names.ts';
import { sipLanSchema, sipLanSettings, type SipLanSettings } from './sip-lan-settings.ts';
import { trunkSchema, trunkSettings, type TrunkSettings } from './trunk-settings.ts';

/** Times of a day, minutes since midnight. */
interface Night {
  readonly from: number;
  readonly to: number;
}

/** Whose calls phones of this host ring for (src/sip/callers.ts). */
export interface CallerSettings {
  readonly callers: 'members' | 'contacts' | 'anyone';
  readonly contacts: readonly string[];
  readonly block: readonly string[];
  readonly night?: Night;
  readonly callsPerMinute: number;
}

/** Beside the 5060 and 5061 of RFC 3261 s19.1.2, where phones of this host listen. */
const DEFAULT_PORT = 5_062;
/** Not 2223, where Debian's own service has one for others. */
const DEFAULT_RTPENGINE: SocketAddress = { address: '127.0.0.1', port: 6_085 };

/** Of idloc-voicemail.socket. */
const DEFAULT_ANSWERING_MACHINE = '/run/idloc-voicemail.sock';

const loopback = z.string().transform((text, context): SocketAddress => {
  const parsed = parseSocketAddress(text);
  // Whoever commands it hears and leads astray every call.
  if (parsed !== undefined && (parsed.address.startsWith('127.') || parsed.address === '::1')) return parsed;
  context.addIssue({ code: 'custom', message: 'must be an address with a port on loopback, such as 127.0.0.1:6085' });
  return z.NEVER;
});

const MAX_NAMES = 1_024;
/** Of one member: a call every other second, hour after hour. */
const DEFAULT_CALLS_PER_MINUTE = 30;
const MAX_CALLS_PER_MINUTE = 60_000;

const names = z.array(z.string().min(1).max(255)).max(MAX_NAMES);
const night = z.string().transform((text, context): Night => {
  const [, ...parts] = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  const [fromHour, fromMinute, toHour, toMinute] = parts.map(Number);
  if (fromHour !== undefined && fromMinute !== undefined && toHour !== undefined && toMinute !== undefined)
    return { from: 60 * fromHour + fromMinute, to: 60 * toHour + toMinute };
  context.addIssue({ code: 'custom', message: 'must be two times of a day such as 22:00-07:00' });
  return z.NEVER;
});
/** RFC 3261 s25.1: a token. Those that the proxy writes itself have their own meaning. */
const headerName = z
  .string()
  .regex(/^X-[A-Za-z0-9-]{1,62}$/, 'must be the name of a header field that begins with X-, such as X-Idloc-Trust');

/** Each is asked for in the overlay when a number is called. */
const MAX_GATEWAYS = 4;
const MAX_EMERGENCY_NUMBERS = 16;

/** The table `[sip]`. */
export const sipSchema = z.strictObject({
  enable: z.boolean().optional(),
  port: z.int().min(1).max(65_535).optional(),
  callers: z.enum(['members', 'contacts', 'anyone']).optional(),
  contacts: names.optional(),
  block: names.optional(),
  night: night.optional(),
  calls_per_minute: z.int().min(1).max(MAX_CALLS_PER_MINUTE).optional(),
  trust_header: headerName.optional(),
  rtpengine: loopback.optional(),
  answering_machine: z.string().regex(/^\//, 'must be the path of a socket').max(100).optional(),
  lan: sipLanSchema.optional(),
  gateways: z
    .array(z.string().refine(isMemberLabel, 'must be the first part of a user name, such as office'))
    .max(MAX_GATEWAYS)
    .optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be a country of ISO 3166, such as "DE"')
    .optional(),
  emergency: z
    .array(z.string().regex(/^[0-9*#]{2,8}$/, 'must be a number such as 112'))
    .max(MAX_EMERGENCY_NUMBERS)
    .optional(),
  trunk: trunkSchema.optional(),
});

/** The SIP adaptor of this host. */
export interface SipSettings {
  /** Off without a TUN: it has the addresses of that, and no other. */
  readonly enable: boolean;
  /** UDP and TCP. */
  readonly port: number;
  readonly callers: CallerSettings;
  /** A header field that tells phones what was proven of who calls; absent: none. */
  readonly trustHeader?: string;
  /** Where rtpengine is told what to relay; absent: there is none. */
  readonly rtpengine?: SocketAddress;
  /** The socket of the answering machine; where there is none, no messages are taken on this host. */
  readonly answeringMachine: string;
  /** Absent: no phone on the LAN is heard. */
  readonly lan?: SipLanSettings;
  /** Labels of members whose hosts lead to the world outside, the best first, and may bring its calls. */
  readonly gateways?: readonly string[];
  /** The country of numbers that say none, and numbers that call for help; undefined: the usual ones. */
  readonly numbers?: { readonly country: string | undefined; readonly emergency: readonly string[] | undefined };
  /** Absent: this host is no gateway. */
  readonly trunk?: TrunkSettings;
}

/**
 * @param table undefined: every setting as it comes
 * @param configuration where it stands
 * @throws {ConfigError} as `sipLanSettings` and `trunkSettings`
 */
export function sipSettings(
  table: z.output<typeof sipSchema> | undefined,
  tun: { enable: boolean },
  configuration: string,
): SipSettings {
  const lan = sipLanSettings(table?.lan, configuration);
  const trunk = trunkSettings(table?.trunk, configuration);
  const rtpengine = table?.rtpengine ?? ((lan ?? trunk) && DEFAULT_RTPENGINE);
  return {
    enable: tun.enable && (table?.enable ?? true),
    port: table?.port ?? DEFAULT_PORT,
    callers: {
      // Whoever names a gateway wants its calls.
      callers: table?.callers ?? (table?.gateways === undefined && trunk === undefined ? 'members' : 'anyone'),
      contacts: table?.contacts ?? [],
      block: table?.block ?? [],
      callsPerMinute: table?.calls_per_minute ?? DEFAULT_CALLS_PER_MINUTE,
      ...(table?.night && { night: table.night }),
    },
    ...(table?.trust_header !== undefined && { trustHeader: table.trust_header }),
    ...(rtpengine && { rtpengine }),
    answeringMachine: table?.answering_machine ?? DEFAULT_ANSWERING_MACHINE,
    ...(lan && { lan }),
    ...(table?.gateways && { gateways: table.gateways }),
    ...((table?.country ?? table?.emergency) !== undefined && {
      numbers: { country: table?.country, emergency: table?.emergency },
    }),
    ...(trunk && { trunk }),
  };
}
