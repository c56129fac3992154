import { addressToHit, type Hit, isHitAddress } from '../base/node-id.ts';
import type { AbsentHostsPorts } from '../sip/absent-hosts.ts';
import type { HostWatchPorts } from '../sip/host-watch.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

export interface SipReachComponents {
  readonly engine: Pick<Engine, 'hitOf' | 'links' | 'resolver' | 'overlay'>;
  /** The engine's. */
  readonly driver: Pick<Driver, 'run'>;
  /** Of whoever asks: answers come to it. */
  readonly fed: Pick<Driver, 'feed'>;
}

/** Whether the host behind an overlay address is there, as its link and the overlay know. */
export function hostWatchPorts({
  engine,
  driver,
  fed,
}: SipReachComponents): Pick<HostWatchPorts, 'hasAnswered'> & AbsentHostsPorts {
  const hitAt = (address: string): Hit | undefined =>
    isHitAddress(address) ? addressToHit(address) : engine.hitOf(address);
  return {
    isJoined: () => engine.overlay?.state === 'joined',
    isLinked: (address) => {
      const hit = hitAt(address);
      return hit !== undefined && engine.links.dataPlaneLinkOf(hit) !== undefined;
    },
    hasAnswered: (address) => {
      const hit = hitAt(address);
      return hit !== undefined && engine.resolver.hasAnswered(hit);
    },
    echo: (address, now, done) => {
      const hit = hitAt(address);
      if (hit === undefined) {
        done(false, now);
        return;
      }
      let isOver = false;
      driver.run((at) => {
        engine.links.echo(hit, at, (rttMs) => {
          // Within the call when none could be sent.
          if (isOver) void fed.feed('SIP echo', (then) => done(rttMs !== undefined, then));
          else done(false, now);
        });
      });
      isOver = true;
    },
    reach: (address, now, done) => {
      let isOver = false;
      driver.run((at) => {
        engine.resolver.miss(address, at, (result) => {
          if (isOver) void fed.feed('SIP reach', (then) => done(result.ok, then));
          else done(result.ok, now);
        });
      });
      isOver = true;
    },
  };
}
