import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { LookupResult } from '../../../src/overlay/naming.ts';
import { SipDirectory, type SipPlaces } from '../../../src/sip/usage/sip-directory.ts';
import { SipRecords } from '../../../src/sip/usage/sip-records.ts';
import { type SimHost, named } from './named-host.ts';
import type { OverlayWorld, SimNode } from './overlay-world.ts';
import { settled } from './records.ts';

/** A simulated host with an adaptor: its record, and its lookups. Driven by ticks of its own. */
export class SipHost {
  readonly world: OverlayWorld;
  readonly node: SimNode;
  readonly names: SimHost['names'];
  readonly records: SipRecords;
  readonly directory: SipDirectory;
  /** What the phones that are registered here would have of callers; undefined: there are none. */
  phones: string | undefined;

  constructor(world: OverlayWorld, node: SimNode, seed: number) {
    this.world = world;
    this.node = node;
    this.names = named(world, node).names;
    const { overlay } = node;
    this.records = new SipRecords({
      overlay,
      ports: { own: () => this.phones },
      random: seededRandom(seed),
      logger: silentLogger,
    });
    this.directory = new SipDirectory({ overlay, names: this.names });
    const tick = (): void => {
      if (!node.alive) return;
      if ((this.records.nextTimeout() ?? Infinity) <= world.now)
        world.run(node, (now) => this.records.handleTimeout(now));
      world.loop.after(100, tick);
    };
    tick();
  }

  register(phones: string | undefined): void {
    this.phones = phones;
    this.world.run(this.node, (now) => this.records.changed(now));
  }

  lookUp(aor: string): LookupResult<SipPlaces> {
    return settled<LookupResult<SipPlaces>>(this.world, this.node, (now, done) =>
      this.directory.lookUp(aor, now, done),
    );
  }

  /** `registrations HIT HIT`, or the code of the error. */
  found(aor: string): string {
    const result = this.lookUp(aor);
    return result.ok ? [result.value.from, ...result.value.hosts.map(({ hit }) => hit)].join(' ') : result.error.code;
  }
}

/** A ring of hosts that join one after the other. */
export function growSipHosts(world: OverlayWorld, users: readonly (string | null)[]): SipHost[] {
  const hosts: SipHost[] = [];
  for (const user of users) {
    const node = world.add('peer', user);
    const host = new SipHost(world, node, hosts.length + 1);
    const [first] = hosts;
    if (first === undefined) world.create(node);
    else world.join(node, first.node);
    hosts.push(host);
    world.loop.run(1_500);
  }
  world.settle(30_000);
  return hosts;
}
