import { z } from 'zod';

/** Beside the 5060 and 5061 of RFC 3261 s19.1.2, where phones of this host listen. */
const DEFAULT_PORT = 5_062;

/** The table `[sip]`. */
export const sipSchema = z.strictObject({
  enable: z.boolean().optional(),
  port: z.int().min(1).max(65_535).optional(),
});

/** The SIP adaptor of this host. */
export interface SipSettings {
  /** Off without a TUN: it has the addresses of that, and no other. */
  readonly enable: boolean;
  /** UDP and TCP. */
  readonly port: number;
}

/** @param table undefined: every setting as it comes. */
export function sipSettings(table: z.output<typeof sipSchema> | undefined, tun: { enable: boolean }): SipSettings {
  return { enable: tun.enable && (table?.enable ?? true), port: table?.port ?? DEFAULT_PORT };
}
