import { PROBE_INFORMATION_TYPES, type ProbeInformation, type ProbeRequest } from '../../reload/index.ts';
import type { Handler } from './handler.ts';

const BILLION = 1_000_000_000;
/** Asked for more than once, an information is still given once. */
const MAX_INFORMATION = 8;

/** RFC 6940 s6.4.2.5: what is known of what was asked for, in that order. */
export const handleProbe: Handler<ProbeRequest> = (request, { topology, store }) => {
  const info: ProbeInformation[] = [];
  for (const type of request.body.requestedInfo.slice(0, MAX_INFORMATION)) {
    switch (type) {
      case PROBE_INFORMATION_TYPES.responsible_set: {
        const predecessor = topology.neighbors.predecessors[0] ?? topology.self;
        const part = topology.isMember ? topology.ring.fraction(predecessor, topology.self) : 0;
        info.push({ type: 'responsible_set', responsiblePpb: Math.round(part * BILLION) });
        break;
      }
      case PROBE_INFORMATION_TYPES.num_resources:
        info.push({ type: 'num_resources', numResources: store.size });
        break;
      case PROBE_INFORMATION_TYPES.uptime:
        info.push({ type: 'uptime', uptime: topology.uptimeS(request.now) });
        break;
    }
  }
  request.answer({ type: 'probe_ans', info });
};
