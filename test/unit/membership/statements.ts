import type { ReadRecord } from '../../../src/membership/ledger.ts';

/** A record for tests: it says when it was made, and by whom. */
export function statement(at: number, by: 'authority' | 'inviter' = 'inviter'): Uint8Array {
  return Buffer.from(`made at ${at}${by === 'authority' ? ' by the authority' : ''}`);
}

export const readStatement: ReadRecord = (_kind, bytes) => {
  const [, at, authority] = /^made at (-?\d+)( by the authority)?$/.exec(Buffer.from(bytes).toString()) ?? [];
  if (at === undefined) return undefined;
  return { hit: at.padStart(32, '0'), user: null, at: Number(at), byAuthority: authority !== undefined };
};
