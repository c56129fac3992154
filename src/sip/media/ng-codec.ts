import bencode from 'bencode';
import { MalformedMessageError, messageOf } from '../../base/errors.ts';
import { MAX_NG_BYTES } from './constants.ts';

/** A command of rtpengine's `ng` protocol (its docs/ng_control_protocol.md): `COOKIE SP bencoded dictionary`, in one datagram. */
export type NgCommand = Readonly<Record<string, string | number | Uint8Array | readonly string[]>>;

export interface NgAnswer {
  /** `ok`, `pong`, `error`, ... */
  readonly result: string;
  readonly reason?: string | undefined;
  readonly sdp?: Uint8Array | undefined;
}

export function encodeNg(cookie: string, command: NgCommand): Uint8Array {
  return Buffer.concat([Buffer.from(`${cookie} `, 'latin1'), bencode.encode(command)]);
}

/** @throws {MalformedMessageError} for what is no answer. */
export function decodeNg(bytes: Uint8Array): { readonly cookie: string; readonly answer: NgAnswer } {
  const space = bytes.indexOf(0x20);
  if (space <= 0 || bytes.length > MAX_NG_BYTES) throw new MalformedMessageError(0, 'no cookie, or too long');
  const cookie = Buffer.from(bytes.subarray(0, space)).toString('latin1');
  let value: unknown;
  try {
    value = bencode.decode(bytes.subarray(space + 1));
  } catch (cause) {
    throw new MalformedMessageError(space + 1, messageOf(cause));
  }
  if (typeof value !== 'object' || value === null) throw new MalformedMessageError(space + 1, 'no dictionary');
  const fields = value as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined => {
    const field = fields[name];
    return field instanceof Uint8Array ? Buffer.from(field).toString('utf8') : undefined;
  };
  const result = text('result');
  if (result === undefined) throw new MalformedMessageError(space + 1, 'no result');
  const sdp = fields['sdp'] instanceof Uint8Array ? fields['sdp'] : undefined;
  return { cookie, answer: { result, reason: text('error-reason'), sdp } };
}
