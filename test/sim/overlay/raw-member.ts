import { concatBytes } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/node-id.ts';
import { CertificateCache } from '../../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../../src/overlay/security/signing.ts';
import {
  type ForwardingHeader,
  type KnownBody,
  type MessageBody,
  WHOLE_MESSAGE_FRAGMENT,
  decodeForwardingHeader,
  decodeMessage,
  encodeForwardingHeader,
  overlayField,
} from '../../../src/reload/index.ts';
import { DEFAULT_KINDS } from '../../../src/overlay/storage/kinds.ts';
import { OverlayWorld, type SimNode } from './overlay-world.ts';

/** A member that sends exactly what a test says, linked to one node, and keeps what that node sends it. */
export class RawMember {
  readonly id: NodeId;
  readonly signing: Signing;
  /** DER, its own first. */
  readonly certificates: readonly Uint8Array[];
  readonly received: Uint8Array[] = [];
  private readonly world: OverlayWorld;
  /** The node that it is linked to. */
  node: SimNode;
  private nextId = 1n;

  constructor(world: OverlayWorld, node: SimNode, user: string | null = null) {
    this.world = world;
    this.node = node;
    const { identity, certificates } = world.enrollment.enroll(user);
    this.id = identity.hit;
    this.certificates = certificates;
    this.signing = new Signing({
      key: identity,
      chain: certificates,
      user,
      overlay: overlayField(world.settings.name),
      cache: new CertificateCache(world.enrollment.trust()),
      ...(world.enrollment.verifySignature && { verifySignature: world.enrollment.verifySignature }),
    });
    const carry = world.carry.bind(world);
    world.carry = (from, to, message) => {
      if (to === this.id) this.received.push(message);
      else carry(from, to, message);
    };
    this.link(node);
  }

  /** A link to another node; the earlier one is not used any more. */
  link(node: SimNode): void {
    this.node = node;
    node.links.up.add(this.id);
    this.world.run(node, (now) => node.overlay.linkUp(this.id, now));
  }

  header(over: Partial<ForwardingHeader> = {}): ForwardingHeader {
    return {
      overlay: overlayField(this.world.settings.name),
      configurationSequence: 1,
      ttl: 100,
      fragment: WHOLE_MESSAGE_FRAGMENT,
      transactionId: this.nextId++,
      maxResponseLength: 0,
      viaList: [],
      destinationList: [{ type: 'node', nodeId: this.node.id }],
      options: [],
      ...over,
    };
  }

  /** Sends bytes over the link and returns the bodies that came back at once. */
  sendBytes(message: Uint8Array): MessageBody[] {
    // The link ended with the node's machine.
    if (!this.node.alive) return [];
    const before = this.received.length;
    this.world.run(this.node, (now) => this.node.overlay.receive(this.id, message, now));
    return this.received.slice(before).map((bytes) => this.bodyOf(bytes));
  }

  send(body: KnownBody, over: Partial<ForwardingHeader> = {}, certificates: readonly Uint8Array[] = []): MessageBody[] {
    const header = this.header(over);
    return this.sendPayload(header, this.signing.seal(header.transactionId, body, certificates));
  }

  /** Answers the first message that came, the Update for the new link. */
  answerFirst(body: KnownBody): MessageBody[] {
    const [first] = this.received;
    if (first === undefined) throw new Error('nothing came');
    return this.send(body, { transactionId: decodeForwardingHeader(first).transactionId });
  }

  /** Of the latest request of that type that came. */
  lastTransactionId(type: MessageBody['type']): bigint {
    const message = this.received.findLast((bytes) => this.bodyOf(bytes).type === type);
    if (message === undefined) throw new Error(`no ${type} came`);
    return decodeForwardingHeader(message).transactionId;
  }

  sendPayload(header: ForwardingHeader, payload: Uint8Array): MessageBody[] {
    return this.sendBytes(concatBytes(encodeForwardingHeader(header, payload.length), payload));
  }

  private bodyOf(bytes: Uint8Array): MessageBody {
    const dataModelOf = (id: number): ReturnType<Parameters<typeof decodeMessage>[1]['dataModelOf']> =>
      DEFAULT_KINDS.find((kind) => kind.id === id)?.dataModel;
    return decodeMessage(bytes, { dataModelOf }).contents.body;
  }
}

/** A ring of one with a raw member beside it. */
export function rawPair(user: string | null = null): { world: OverlayWorld; node: SimNode; raw: RawMember } {
  const world = new OverlayWorld({ seed: 1 });
  const [node] = world.grow(1);
  if (node === undefined) throw new Error('no node');
  return { world, node, raw: new RawMember(world, node, user) };
}
