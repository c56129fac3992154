import { firstHeader } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import { parseParams } from '../message/params.ts';

/** RFC 3891 s6: the dialog that an INVITE takes the place of, as whom it names knows it. */
export interface Replaces {
  readonly callId: string;
  /** Of the end that is asked. */
  readonly toTag: string;
  readonly fromTag: string;
  readonly earlyOnly: boolean;
}

/** @returns undefined without one; 'malformed' for what is none, or two. */
export function replacesOf(request: SipRequest): Replaces | 'malformed' | undefined {
  const rows = request.headers.filter(({ name }) => name.toLowerCase() === 'replaces');
  const value = firstHeader(request, 'replaces');
  if (value === undefined) return undefined;
  const at = value.indexOf(';');
  const callId = at === -1 ? '' : value.slice(0, at).trim();
  const params = at === -1 ? undefined : parseParams(value.slice(at));
  const [toTag, fromTag] = [params?.get('to-tag'), params?.get('from-tag')];
  // s3: "If more than one Replaces header field is present in an INVITE ... the UAS MUST reject the request with a 400".
  if (rows.length !== 1 || callId === '' || toTag === undefined || fromTag === undefined) return 'malformed';
  return { callId, toTag, fromTag, earlyOnly: params?.has('early-only') === true };
}
