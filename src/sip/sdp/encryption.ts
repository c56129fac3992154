import { MAX_LINE_CHARACTERS } from './constants.ts';
import { sdpLines } from './lines.ts';

/** RFC 3711 and RFC 5124, with keys as in RFC 4568. */
const SECURE_PROFILES: readonly (string | undefined)[] = ['RTP/SAVP', 'RTP/SAVPF'];

/** RFC 4568 s9.1: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:...`. NULL is none of these ciphers (RFC 4568, 6188, 7714). */
const CRYPTO = /^a=crypto:\d{1,9} +(?:AES_|AEAD_AES_)[A-Z0-9_]+ +inline:/i;
/** s6.3: "a session parameter that turns off" what SRTP is for. */
const IN_CLEAR = / UN(?:ENCRYPTED|AUTHENTICATED)_SRT?C?P\b/i;

/**
 * Whether all media that a session description asks for, and all it lets be sent, are SRTP with their keys in it; those with port 0 are
 * declined, and no media at all are none in clear.
 */
export function isEncrypted(body: Uint8Array): boolean {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  const media: { isSecure: boolean; hasKey: boolean }[] = [];
  for (const { text: line } of sdpLines(text)) {
    if (line.startsWith('m=')) {
      const [, port, profile] = line.slice(0, MAX_LINE_CHARACTERS).split(' ');
      const isDeclined = /^0+(?:\/|$)/.test(port ?? '');
      const isSecure = SECURE_PROFILES.includes(profile?.toUpperCase());
      media.push({ isSecure: isSecure || isDeclined, hasKey: isDeclined });
    }
    const medium = media.at(-1);
    if (medium === undefined || line.length > MAX_LINE_CHARACTERS) continue;
    if (!CRYPTO.test(line)) continue;
    // Beside a better one it may be the one that is used.
    if (IN_CLEAR.test(line)) medium.isSecure = false;
    else medium.hasKey = true;
  }
  return media.every(({ isSecure, hasKey }) => isSecure && hasKey);
}
