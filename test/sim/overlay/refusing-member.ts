import { concatBytes } from '../../../src/base/bytes.ts';
import { CertificateCache } from '../../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../../src/overlay/security/signing.ts';
import {
  ERROR_CODES,
  MESSAGE_CODES,
  WHOLE_MESSAGE_FRAGMENT,
  decodeEnvelope,
  decodeForwardingHeader,
  encodeForwardingHeader,
  overlayField,
} from '../../../src/reload/index.ts';
import type { OverlayWorld, SimNode } from './overlay-world.ts';

/** Makes a node answer the requests that it should pass on: with an error of its own, signed as is right. */
export function refuseOnTheWay(world: OverlayWorld, node: SimNode, code: keyof typeof ERROR_CODES): void {
  const { identity, certificates } = node.enrolled;
  const signing = new Signing({
    key: identity,
    chain: certificates,
    user: node.user,
    overlay: overlayField(world.settings.name),
    cache: new CertificateCache(world.enrollment.trust()),
    ...(world.enrollment.verifySignature && { verifySignature: world.enrollment.verifySignature }),
  });
  const { overlay } = node;
  const receive = overlay.receive.bind(overlay);
  overlay.receive = (from, message, now) => {
    const header = decodeForwardingHeader(message);
    const isRequest = decodeEnvelope(message).code !== MESSAGE_CODES.error && decodeEnvelope(message).code % 2 === 1;
    const [target] = header.destinationList;
    const isMine = target?.type === 'node' ? target.nodeId === node.id : isResponsible(world, node, target);
    if (!isRequest || isMine) {
      receive(from, message, now);
      return;
    }
    const { transactionId } = header;
    const payload = signing.seal(transactionId, { type: 'error', code: ERROR_CODES[code], info: new Uint8Array() });
    const answer = encodeForwardingHeader(
      {
        overlay: header.overlay,
        configurationSequence: header.configurationSequence,
        ttl: world.settings.initialTtl,
        fragment: WHOLE_MESSAGE_FRAGMENT,
        transactionId,
        maxResponseLength: 0,
        viaList: [],
        destinationList: [...header.viaList, { type: 'node' as const, nodeId: from }].reverse(),
        options: [],
      },
      payload.length,
    );
    node.links.send(from, concatBytes(answer, payload));
  };
}

function isResponsible(
  world: OverlayWorld,
  node: SimNode,
  target: { readonly type: string; readonly resourceId?: string } | undefined,
): boolean {
  return target?.resourceId !== undefined && world.responsible(target.resourceId) === node.id;
}
