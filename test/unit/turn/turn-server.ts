import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { longTermKey, userhash, verifyIntegrity } from '../../../src/stun/integrity.ts';
import type { StunAttributes, StunMessage } from '../../../src/stun/message.ts';
import { ALLOCATE_METHOD, CHANNEL_BIND_METHOD, REFRESH_METHOD } from '../../../src/stun/message.ts';
import type { TurnClient, TurnTransmit } from '../../../src/turn/turn-client.ts';

export const USER = 'alice';
export const PASSWORD = 'correct horse';
export const REALM = 'example.org';
export const RELAYED: SocketAddress = { address: '203.0.113.7', port: 49_152 };
export const RELAYED_IPV6: SocketAddress = { address: '2001:db8::7', port: 49_153 };
const MAPPED: SocketAddress = { address: '198.51.100.9', port: 6_084 };

/** The next datagram of a client. */
export function nextSent(client: TurnClient): Extract<TurnTransmit, { type: 'send' }> | undefined {
  const next = client.pollTransmit();
  return next?.type === 'send' ? next : undefined;
}

/** As much of a TURN server as one client sees; what it does is set. */
export class TurnServer {
  /** RFC 8489: offers SHA-256, and wants the hash of the user's name. */
  modern = false;
  nonce = 'first';
  lifetime = 600;
  /** Answers with this code instead, to that method, so many times. */
  fail: { method: number; code: number; times: number } | undefined;
  allocated = false;
  /** Of which families it has addresses; `old`: of IPv4, and it has never heard of others. */
  families: 'old' | 'both' | 'ipv6' | 'none' = 'old';
  /** Number by peer. */
  readonly channels = new Map<string, number>();
  /** Of authentic requests. */
  readonly seen: { method: number; lifetime: number | undefined }[] = [];
  readonly messages: StunMessage[] = [];

  answer(raw: Uint8Array): Uint8Array {
    const request = decodeStun(raw);
    this.messages.push(request);
    const { attributes, method } = request;
    const key = longTermKey(USER, REALM, PASSWORD, this.modern ? 'sha256' : 'md5');
    const isKnown = this.modern
      ? attributes.userhash === userhash(USER, REALM) && request.integrity?.sha256 !== undefined
      : attributes.username === USER;
    if (!isKnown || !verifyIntegrity(raw, request, key)) return this.challenge(request, 401);
    if (attributes.nonce !== this.fullNonce) return this.challenge(request, 438);
    this.seen.push({ method, lifetime: attributes.lifetime });
    if (this.fail?.method === method && this.fail.times-- > 0)
      return this.reply(request, { errorCode: { code: this.fail.code, reason: 'as set' } }, key, 'error');
    switch (method) {
      case ALLOCATE_METHOD:
        if (this.allocated) return this.reply(request, { errorCode: { code: 437, reason: '' } }, key, 'error');
        return this.allocate(request, key);
      case REFRESH_METHOD:
        if (!this.allocated) return this.reply(request, { errorCode: { code: 437, reason: '' } }, key, 'error');
        if (attributes.lifetime === 0) this.allocated = false;
        return this.reply(request, { lifetime: attributes.lifetime ?? this.lifetime }, key);
      case CHANNEL_BIND_METHOD: {
        const { channelNumber = 0, xorPeerAddress } = attributes;
        const peer = `${xorPeerAddress?.address}:${xorPeerAddress?.port}`;
        const isOther = (this.channels.get(peer) ?? channelNumber) !== channelNumber;
        if (isOther) return this.reply(request, { errorCode: { code: 400, reason: '' } }, key, 'error');
        this.channels.set(peer, channelNumber);
        return this.reply(request, {}, key);
      }
    }
    return this.reply(request, { errorCode: { code: 400, reason: '' } }, key, 'error');
  }

  /** RFC 8656 s7.2. */
  private allocate(request: StunMessage, key: Uint8Array): Uint8Array {
    const { requestedAddressFamily: requested = 1, additionalAddressFamily: additional } = request.attributes;
    const isIpv6 = this.families === 'ipv6' && requested === 2;
    if ((this.families === 'ipv6' && !isIpv6) || this.families === 'none')
      return this.reply(request, { errorCode: { code: 440, reason: '' } }, key, 'error');
    this.allocated = true;
    const attributes = {
      xorRelayedAddress: isIpv6 ? RELAYED_IPV6 : RELAYED,
      ...(this.families === 'both' && additional === 2 && { additionalRelayedAddress: RELAYED_IPV6 }),
    };
    return this.reply(request, { ...attributes, xorMappedAddress: MAPPED, lifetime: this.lifetime }, key);
  }

  private get fullNonce(): string {
    return this.modern ? `obMatJos2wAAA${this.nonce}` : this.nonce;
  }

  challenge(request: StunMessage, code: number): Uint8Array {
    const passwordAlgorithms = [
      { number: 9, parameters: Uint8Array.of(1) },
      { number: 2, parameters: new Uint8Array() },
      { number: 1, parameters: new Uint8Array() },
    ];
    const attributes: StunAttributes = {
      errorCode: { code, reason: '' },
      realm: REALM,
      nonce: this.fullNonce,
      ...(this.modern ? { passwordAlgorithms } : {}),
    };
    return encodeStun({ class: 'error', method: request.method, transactionId: request.transactionId, attributes });
  }

  private reply(
    request: StunMessage,
    attributes: StunAttributes,
    key: Uint8Array,
    kind: 'success' | 'error' = 'success',
  ): Uint8Array {
    const { method, transactionId } = request;
    return encodeStun(
      { class: kind, method, transactionId, attributes },
      { key, integrity: this.modern ? 'sha256' : 'sha1' },
    );
  }
}
