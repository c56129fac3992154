import { z } from 'zod';
import { canonicalAddress, isIpAddress } from '../../base/ip-address.ts';
import { flowBy, type SipFlow } from '../flow.ts';

// Implementation constants.

/** As many as a trunk has lines, and those that called for help. */
const MAX_KEPT_CALLS = 1_100;
/** Of an early dialog each: what has forked more is not kept. */
const MAX_KEPT_DIALOGS = 16;
const MAX_KEPT_ROUTES = 16;
const MAX_KEPT_INVITES = 16;
const MAX_TEXT = 2_048;
const MAX_TAG = 256;

const text = z.string().max(MAX_TEXT);
const tag = z.string().min(1).max(MAX_TAG);
const number = z.int().min(0).max(0x7fff_ffff);
const socketAddress = z.strictObject({
  address: z.string().max(45).refine(isIpAddress).transform(canonicalAddress),
  port: z.int().min(0).max(65_535),
});
const dialog = z.strictObject({
  target: text,
  routes: z.array(text).max(MAX_KEPT_ROUTES),
  isAnswered: z.boolean(),
  remoteTag: tag.optional(),
});

const keptCall = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{1,64}$/),
  /** Where the caller is. */
  caller: z.enum(['inside', 'outside']),
  callIds: z.strictObject({ caller: text, callee: text }),
  tags: z.strictObject({ caller: tag, own: tag }),
  /** From and To of the INVITE as it came and as it went on, without our tags. */
  names: z.strictObject({ from: text, to: text, calledAs: text, callerFrom: text }),
  callerDialog: dialog,
  /** By the To tag of the called end. */
  dialogs: z
    .array(z.tuple([tag, dialog]))
    .min(1)
    .max(MAX_KEPT_DIALOGS),
  cseqs: z.strictObject({ caller: number, callee: number }),
  invites: z.array(z.tuple([z.string().max(32), number])).max(MAX_KEPT_INVITES),
  /** Towards the world outside. */
  flow: z.strictObject({ transport: z.enum(['udp', 'tcp', 'tls']), local: socketAddress, remote: socketAddress }),
  /** A call for help goes on whatever the provider says of its media. */
  isEmergency: z.boolean(),
  /** When something was said in it, in milliseconds since the epoch. */
  saidAt: z.number(),
});

const keptCalls = z.strictObject({
  version: z.literal(1),
  domain: z.string().max(MAX_TAG),
  /** In milliseconds since the epoch. */
  savedAt: z.number(),
  calls: z.array(keptCall).max(MAX_KEPT_CALLS),
});

/** A call that was answered, as plain data: what the two ends have to be told by. */
export type KeptCall = z.infer<typeof keptCall>;
export type KeptCalls = z.infer<typeof keptCalls>;

/** For JSON: those that can be read again. */
export function toKept(calls: readonly KeptCall[], domain: string, wallNow: number): KeptCalls {
  const kept = calls.flatMap((call) => keptCall.safeParse(call).data ?? []);
  return { version: 1, domain, savedAt: wallNow, calls: kept.slice(0, MAX_KEPT_CALLS) };
}

/** @param data may be anything @returns undefined: it is none */
export function fromKept(data: unknown): KeptCalls | undefined {
  return keptCalls.safeParse(data).data;
}

export function keptFlow({ transport, local, remote }: KeptCall['flow']): SipFlow {
  return flowBy(transport, { local, remote });
}
