import type { DecodedForwardingHeader, ForwardingHeader } from './forwarding-header.ts';
import type { MessageContents } from './message-contents.ts';
import type { SecurityBlock } from './security-block.ts';

/** A RELOAD message (RFC 6940 s6.3): what hops read, what the ends read, and who says so. */
export interface Message {
  readonly header: ForwardingHeader;
  readonly contents: MessageContents;
  readonly security: SecurityBlock;
}

/** A message as read; the two byte strings are views of what was received, as the signature covers them. */
export interface DecodedMessage extends Message {
  readonly header: DecodedForwardingHeader;
  readonly contentsBytes: Uint8Array;
  readonly signerIdentityBytes: Uint8Array;
}
