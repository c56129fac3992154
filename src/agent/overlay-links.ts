import type { Hit } from '../base/node-id.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { OverlayLinks } from '../overlay/links.ts';

/** @param asked a host asks for a link to send packets: what it may send from is to be known as soon as the link is up. */
export function overlayLinks(links: LinkManager, asked: (hit: Hit) => void): OverlayLinks {
  return {
    isUp: (hit) => links.isUp(hit),
    isMending: (hit) => links.dataPlaneLinkOf(hit) !== undefined && !links.isUp(hit),
    isAnswering: (hit) => links.isAnswering(hit),
    send: (hit, message) => links.send(hit, message),
    offer: (hit) => links.offer(hit),
    answer: (hit, remote, { forPackets }) => {
      const local = links.answer(hit, remote);
      if (forPackets) asked(hit);
      return local;
    },
    accept: (hit, remote) => links.accept(hit, remote),
    cancel: (hit) => links.cancel(hit),
  };
}
