import { MAX_CSEQ } from './constants.ts';
import { isToken } from './headers.ts';

/** RFC 3261 s20.16. */
export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** @returns undefined for what is none, or has more than 32 bits. */
export function parseCSeq(text: string): CSeq | undefined {
  const [digits = '', method = '', ...more] = text.split(/[ \t]+/);
  if (!/^\d{1,20}$/.test(digits) || !isToken(method) || more.length > 0 || Number(digits) > MAX_CSEQ) return undefined;
  return { number: Number(digits), method };
}
