import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { IdlocError } from '../base/errors.ts';

/** The LAN that an address of this host is of: its interface, and who is on it. */
export class LanNetwork {
  private readonly address: string;
  private subnet = new BlockList();

  constructor(address: string) {
    this.address = address;
  }

  /** Looked up anew. @throws {IdlocError} `ENODEV` while no interface has the address. */
  findInterface(): string {
    for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
      const found = addresses.find(({ address }) => address === this.address);
      if (found === undefined) continue;
      const prefix = Number(found.cidr?.split('/')[1]);
      this.subnet = new BlockList();
      this.subnet.addSubnet(found.address, prefix, found.family === 'IPv6' ? 'ipv6' : 'ipv4');
      return name;
    }
    throw new IdlocError('ENODEV', `no interface has ${this.address}`);
  }

  /** Whether a packet from there came from this LAN, as of the last `findInterface`: nobody comes through a router. */
  has(address: string): boolean {
    return this.subnet.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}
