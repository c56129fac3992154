import type { Hit } from '../base/node-id.ts';
import type { FoundHost } from '../sip/destinations.ts';
import { KnownPorts } from '../sip/usage/known-ports.ts';
import { SipDirectory, type SipPlaces } from '../sip/usage/sip-directory.ts';
import { ERROR_CODES } from '../reload/index.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

/** Hosts that are linked are known without the overlay, which is asked all the same, but not for longer than a caller would notice. */
const OVERLAY_PATIENCE_MS = 1_000;

type Done = (hosts: readonly FoundHost[] | undefined) => void;

/** Where a member has phones: what the overlay says, and where it does not, hosts of the member that are linked. */
export class SipLookup {
  private readonly engine: Pick<Engine, 'overlay' | 'names' | 'linkedMembersOf'>;
  private readonly driver: Pick<Driver, 'run'>;
  private readonly after: (ms: number, then: () => void) => void;
  private readonly ports: KnownPorts;
  private directory: SipDirectory | undefined;

  constructor(components: {
    readonly engine: Pick<Engine, 'overlay' | 'names' | 'linkedMembersOf'>;
    readonly driver: Pick<Driver, 'run'>;
    readonly after: (ms: number, then: () => void) => void;
    readonly ports?: KnownPorts;
  }) {
    this.engine = components.engine;
    this.driver = components.driver;
    this.after = components.after;
    this.ports = components.ports ?? new KnownPorts();
  }

  /** @param done called once, now or later; undefined: nobody can say. */
  lookUp(aor: string, now: number, done: Done): void {
    const directory = this.opened();
    // Most calls are to whom somebody has just called: the overlay is not asked, and has no timers to set anew.
    const kept = directory?.known(aor, now);
    if (kept?.ok === true) {
      done(foundHosts(kept.value));
      return;
    }
    const linked = this.engine.linkedMembersOf({ user: aor }).map(({ hit }) => adaptorAt(hit));
    if (directory === undefined) {
      done(linked.length > 0 ? linked : undefined);
      return;
    }
    const asked = { isOpen: true };
    const finish: Done = (hosts) => {
      if (!asked.isOpen) return;
      asked.isOpen = false;
      done(hosts);
    };
    this.driver.run((at) => {
      directory.lookUp(aor, at, (result) => {
        if (result.ok) finish(foundHosts(result.value));
        else if (linked.length > 0) finish(linked);
        else finish(result.error.errorCode === ERROR_CODES.not_found ? [] : undefined);
      });
    });
    if (asked.isOpen && linked.length > 0) this.after(OVERLAY_PATIENCE_MS, () => finish(linked));
  }

  /** Our node is made once in a life. */
  private opened(): SipDirectory | undefined {
    const { overlay, names } = this.engine;
    if (overlay?.state !== 'joined' || names === undefined) return undefined;
    this.directory ??= new SipDirectory({ overlay, names, ports: this.ports });
    return this.directory;
  }
}

function foundHosts({ from, hosts }: SipPlaces): FoundHost[] {
  return hosts.map((host) => ({ ...host, isRegistered: from === 'registrations' }));
}

function adaptorAt(hit: Hit): FoundHost {
  return { hit, isRegistered: true };
}
