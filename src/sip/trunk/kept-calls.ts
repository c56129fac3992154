import { z } from 'zod';
import { canonicalAddress, isIpAddress } from '../../base/ip-address.ts';
import { flowBy, type SipFlow } from '../flow.ts';

// Implementation constants.

/** As many as a trunk has lines, and those that called for help. */
export const MAX_KEPT_CALLS = 1_100;
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

const flow = z.strictObject({
  transport: z.enum(['udp', 'tcp', 'tls']),
  local: socketAddress,
  remote: socketAddress,
});

const keptCall = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{1,64}$/),
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
  /** Towards the world outside; null: the end is inside. */
  flows: z.strictObject({ caller: flow.nullable(), callee: flow.nullable() }),
  /** A call for help goes on whatever the provider says of its media. */
  isEmergency: z.boolean(),
  /** When something was said in it, by the clock of `KeptHead.now`. */
  saidAt: z.number(),
});

const keptHead = z.strictObject({
  version: z.literal(2),
  domain: z.string().max(MAX_TAG),
  /** When it was written: in milliseconds since the epoch, and of the clock that calls go by. */
  savedAt: z.number(),
  now: z.number(),
});

/** A call that was answered, as plain data: what the two ends have to be told by. */
export type KeptCall = z.infer<typeof keptCall>;
/** What all calls of a file have in common. */
export type KeptHead = z.infer<typeof keptHead>;

/** The first line of the file; each other line is a call. So what has changed is written, and it is all read, a few lines at a time. */
export function writeHead(head: Omit<KeptHead, 'version'>): string {
  return `${JSON.stringify({ version: 2, ...head } satisfies KeptHead)}\n`;
}

/** @param line may be anything @returns undefined: it is none */
export function readHead(line: string): KeptHead | undefined {
  return keptHead.safeParse(parsed(line)).data;
}

/** A line. @returns undefined: it could not be read again */
export function writeCall(call: KeptCall): string | undefined {
  const { data } = keptCall.safeParse(call);
  return data && `${JSON.stringify(data)}\n`;
}

/** @param line may be anything @returns undefined: it is none */
export function readCall(line: string): KeptCall | undefined {
  return keptCall.safeParse(parsed(line)).data;
}

export function keptFlow({ transport, local, remote }: z.infer<typeof flow>): SipFlow {
  return flowBy(transport, { local, remote });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
