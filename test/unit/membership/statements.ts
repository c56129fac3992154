import type { ReadRecord } from '../../../src/membership/ledger.ts';

/** A record for tests where who signed it does not matter: it says when it was made. */
export function statement(at: number): Uint8Array {
  return Buffer.from(`made at ${at}`);
}

export const readStatement: ReadRecord = (_kind, bytes) => {
  const [, at] = /^made at (-?\d+)$/.exec(Buffer.from(bytes).toString()) ?? [];
  return at === undefined ? undefined : { hit: at.padStart(32, '0'), at: Number(at) };
};
