import { toHex } from '../../../src/base/bytes.ts';
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import type { DataPlane } from '../../../src/native/data-plane.ts';
import type { MeetingPlace } from '../../../src/rendezvous/meeting-place.ts';
import type { SimNetwork } from './network.ts';

export const BOARD: SocketAddress = { address: '198.51.100.250', port: 6881 };
const PREFIX = 'd board ';

/** One public host where others leave their address under a key, as it sees them: what Mainline is, without the nodes. */
export class SimBoard {
  /** Visits so far. */
  visits = 0;
  private readonly left = new Map<string, Set<string>>();

  constructor(network: SimNetwork) {
    const host = network.host(network.internet, BOARD.address);
    host.bind(BOARD.port, ({ source, data }) => {
      const key = Buffer.from(data).toString('latin1').slice(PREFIX.length);
      this.visits += 1;
      const others = this.left.get(key) ?? new Set<string>();
      this.left.set(key, others.add(formatSocketAddress(source)));
      host.send(null, BOARD.port, source, Buffer.from(`${PREFIX}${[...others].join(' ')}`));
    });
  }

  /** Somebody who is not there leaves an address under every key. */
  spoil(address: SocketAddress): void {
    for (const others of this.left.values()) others.add(formatSocketAddress(address));
  }

  /** The nodes forget what was announced long ago. */
  forget(): void {
    this.left.clear();
  }
}

/** The board as one host comes there, from the port of its data plane. */
export class SimBoardPlace implements MeetingPlace {
  readonly name = 'board';
  readonly leastPauseMs = 1_000;
  /** Nobody comes there while it is switched off. */
  isOpen = true;
  private readonly dataPlane: Pick<DataPlane, 'sendDatagram'>;
  private handler: (address: SocketAddress) => void = () => undefined;

  constructor(dataPlane: Pick<DataPlane, 'sendDatagram'>) {
    this.dataPlane = dataPlane;
  }

  onFound(handler: (address: SocketAddress) => void): void {
    this.handler = handler;
  }

  visit(key: Uint8Array): void {
    if (this.isOpen) this.dataPlane.sendDatagram(null, BOARD, Buffer.from(`${PREFIX}${toHex(key)}`));
  }

  receive(data: Uint8Array): void {
    if (!this.isOpen) return;
    for (const text of Buffer.from(data).toString('latin1').slice(PREFIX.length).split(' ')) {
      const address = parseSocketAddress(text);
      if (address !== undefined) this.handler(address);
    }
  }
}
