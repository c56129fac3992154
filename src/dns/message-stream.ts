/** DNS over TCP: two octets of length before each message (RFC 1035 s4.2.2). Holds at most one message that is not whole. */
export class MessageStream {
  private held = new Uint8Array(0);

  /** @returns the messages that are whole now */
  push(bytes: Uint8Array): Uint8Array[] {
    const all = new Uint8Array(this.held.length + bytes.length);
    all.set(this.held);
    all.set(bytes, this.held.length);
    const messages: Uint8Array[] = [];
    let offset = 0;
    while (all.length - offset >= 2) {
      const length = ((all[offset] ?? 0) << 8) | (all[offset + 1] ?? 0);
      if (all.length - offset - 2 < length) break;
      messages.push(all.slice(offset + 2, offset + 2 + length));
      offset += 2 + length;
    }
    this.held = all.slice(offset);
    return messages;
  }
}

/** @throws {RangeError} for more than 65,535 bytes. */
export function frameMessage(message: Uint8Array): Uint8Array {
  if (message.length > 0xffff) throw new RangeError(`a DNS message of ${message.length} bytes`);
  const out = new Uint8Array(2 + message.length);
  out[0] = message.length >> 8;
  out[1] = message.length & 0xff;
  out.set(message, 2);
  return out;
}
