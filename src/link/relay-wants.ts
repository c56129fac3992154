import type { Hit } from '../base/node-id.ts';
import { earliest } from '../base/clock.ts';
import type { IceAgent } from '../ice/ice-agent.ts';
import type { Association } from './association.ts';
import type { ConnectionTable } from './connection-table.ts';
import { MAX_RELAYS_WANTED, RELAY_WANTED_MS } from './constants.ts';

/**
 * Which negotiations come to nothing: no direct path, and none by a member that both ends are linked with. Whoever has called is the
 * first to look for a relay; the other end follows when nothing has come of that.
 */
export class RelayWants {
  /** When a negotiation's agent should have found a path. */
  private readonly dueAt = new WeakMap<IceAgent, number>();
  /** Whom we could not reach; a relayed address that comes may help. */
  private readonly unreached = new Set<Hit>();
  private readonly table: ConnectionTable;

  constructor(table: ConnectionTable) {
    this.table = table;
  }

  /** Both ends of a negotiation know each other's candidates. */
  begin(agent: IceAgent, called: 'we' | 'they', now: number): void {
    this.dueAt.set(agent, now + RELAY_WANTED_MS[called]);
  }

  nextTimeout({ agents }: Association): number | undefined {
    return earliest(...agents.map((agent) => this.dueAt.get(agent)));
  }

  /** @returns whether a relay is wanted for it: it has no path. Once in a negotiation. */
  take(association: Association, now: number): boolean {
    const { agents, hit, pathWorks, repair } = association;
    let wanted = false;
    for (const agent of agents) {
      if ((this.dueAt.get(agent) ?? Infinity) > now) continue;
      this.dueAt.delete(agent);
      wanted ||= agent.selected === undefined;
    }
    // What looks for something better, or has found it, goes on by what it has.
    const works = pathWorks && (repair === undefined || repair.cause === 'remapped');
    if (!wanted || works || hit === undefined) return false;
    this.unreached.add(hit);
    for (const oldest of this.unreached) {
      if (this.unreached.size <= MAX_RELAYS_WANTED) break;
      this.unreached.delete(oldest);
    }
    return true;
  }

  /**
   * There is another relayed address.
   * @returns who is to be asked anew, with that: those that have a path by now are left alone,
   * and links that are up are mended by others.
   */
  takeUnreached(): readonly Hit[] {
    const hits = [...this.unreached];
    this.unreached.clear();
    return hits.filter((hit) => {
      const link = this.table.link(hit);
      const { pending, current } = link ?? {};
      return pending !== undefined && pending.ice?.selected === undefined && current === undefined;
    });
  }
}
