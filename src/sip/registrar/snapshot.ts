import { z } from 'zod';
import { fromHex, toHex } from '../../base/bytes.ts';
import { canonicalAddress, isIpAddress } from '../../base/ip-address.ts';
import { isUserName } from '../../identity/names.ts';
import { tcpFlow, udpFlow } from '../flow.ts';
import { parseUri } from '../message/uri.ts';
import type { Binding } from './binding.ts';
import {
  MAX_CALL_ID_LENGTH,
  MAX_EXPIRES_S,
  MAX_INSTANCE_LENGTH,
  MAX_KEPT_BINDINGS,
  MAX_METHODS,
  MAX_REG_ID,
  MAX_URI_LENGTH,
} from './constants.ts';
import { GRUU_KEY_BYTES } from './gruu.ts';

const socketAddress = z.strictObject({
  address: z.string().max(45).refine(isIpAddress).transform(canonicalAddress),
  port: z.int().min(0).max(65_535),
});

const binding = z.strictObject({
  aor: z.string().refine(isUserName),
  contact: z.string().max(MAX_URI_LENGTH),
  transport: z.enum(['udp', 'tcp']),
  local: socketAddress,
  remote: socketAddress,
  callId: z.string().max(MAX_CALL_ID_LENGTH).regex(/^\S+$/),
  cseq: z.int().min(0).max(0xffff_ffff),
  q: z.number().min(0).max(1),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
  instance: z
    .string()
    .max(MAX_INSTANCE_LENGTH)
    .regex(/^<[\x21-\x3b\x3d\x3f-\x7e]+>$/)
    .optional(),
  regId: z.int().min(1).max(MAX_REG_ID).optional(),
  methods: z.array(z.string().regex(/^[A-Z]{1,32}$/)).max(MAX_METHODS),
  gruuKey: z.string().regex(new RegExp(`^[0-9a-f]{${2 * GRUU_KEY_BYTES}}$`)),
});

const snapshot = z.strictObject({ version: z.literal(1), bindings: z.array(binding).max(MAX_KEPT_BINDINGS) });

/** Bindings as plain data, for JSON. Its times are the wall's: a machine's other clocks begin anew. */
export type RegistrarSnapshot = z.infer<typeof snapshot>;

/** @param elapsed what the wall clock is ahead of monotonic time */
export function toSnapshot(bindings: ReadonlyMap<string, readonly Binding[]>, elapsed: number): RegistrarSnapshot {
  const all = [...bindings].flatMap(([aor, those]) => those.map((one) => written(aor, one, elapsed)));
  return { version: 1, bindings: all.slice(0, MAX_KEPT_BINDINGS) };
}

/**
 * What is left of a snapshot, which may hold anything. Connections have ended; a clock that was set meanwhile makes no binding live longer.
 * @returns undefined when it is none
 */
export function fromSnapshot(
  data: unknown,
  now: number,
  wallNow: number,
): { readonly aor: string; readonly binding: Binding }[] | undefined {
  const { data: kept } = snapshot.safeParse(data);
  return kept?.bindings.flatMap((one) => {
    const uri = parseUri(one.contact);
    const leftMs = Math.min(one.expiresAt - wallNow, MAX_EXPIRES_S * 1000);
    if (uri?.scheme !== 'sip' || leftMs <= 0) return [];
    const { aor, contact, callId, cseq, q, instance, regId, methods, local, remote } = one;
    const isUdp = one.transport === 'udp';
    const restored: Binding = {
      ...{ contact, uri, callId, cseq, q, instance, regId, methods },
      flow: isUdp ? udpFlow({ local, remote }) : tcpFlow({ local, remote }),
      isFlowOpen: isUdp,
      expiresAt: now + leftMs,
      updatedAt: now,
      gruuKey: fromHex(one.gruuKey),
    };
    return [{ aor, binding: restored }];
  });
}

function written(aor: string, one: Binding, elapsed: number): RegistrarSnapshot['bindings'][number] {
  const { contact, callId, cseq, q, instance, regId, methods, flow } = one;
  return {
    ...{ aor, contact, callId, cseq, q, methods: [...methods] },
    ...(instance !== undefined && { instance }),
    ...(regId !== undefined && { regId }),
    // Phones come by these two alone.
    transport: flow.transport === 'udp' ? 'udp' : 'tcp',
    local: { ...flow.local },
    remote: { ...flow.remote },
    expiresAt: Math.round(one.expiresAt + elapsed),
    gruuKey: toHex(one.gruuKey),
  };
}
