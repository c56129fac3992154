import type { SipFlow } from './flow.ts';
import { headerValues } from './message/headers.ts';
import type { SipMessage } from './message/message.ts';
import { parseNameAddr } from './message/name-addr.ts';
import { parseUri, type SipUri } from './message/uri.ts';

/** Devices of a household, with what they called themselves before. */
const MAX_CONTACTS = 256;

/**
 * Where the phones of this host are that wrote these Contacts: a phone may write an address that leads nowhere (its Wi-Fi
 * address, 127.0.0.1), and is reached where its messages come from.
 */
export class ContactFlows {
  private readonly flows = new Map<string, SipFlow>();

  /** A message of a phone. */
  learn(message: SipMessage, from: SipFlow): void {
    for (const contact of headerValues(message, 'contact').slice(0, 4)) {
      const uri = parseUri(parseNameAddr(contact)?.uri ?? '');
      if (uri !== undefined) this.note(uri, from);
    }
  }

  note(contact: SipUri, flow: SipFlow): void {
    const key = keyOf(contact);
    this.flows.delete(key);
    this.flows.set(key, flow);
    const [oldest] = this.flows.keys();
    if (this.flows.size > MAX_CONTACTS && oldest !== undefined) this.flows.delete(oldest);
  }

  flowTo(uri: SipUri): SipFlow | undefined {
    return this.flows.get(keyOf(uri));
  }

  /** A connection has ended. */
  flowClosed({ key }: SipFlow): void {
    for (const [contact, flow] of this.flows) if (flow.key === key) this.flows.delete(contact);
  }
}

/** User, host and port: parameters change between REGISTER and INVITE. */
function keyOf({ user, host, port }: SipUri): string {
  return `${user ?? ''}@${host}:${port ?? 5060}`;
}
