import type { Result } from '../control/schemas.ts';
import { formatMs, formatPath } from './format.ts';

/** In the manner of ping(8), with the path and its reason. */
export function formatPing(ping: Result<'ping'>): string {
  const path = ping.path === null ? 'no path' : formatPath(ping.path);
  const lines = [
    ...(ping.unanswered ?? []).map(({ hit, why }) => `${hit} does not answer: ${why}`),
    `PING ${ping.target} (${ping.hit})`,
    `path: ${path}, ${ping.direct ? 'direct' : 'relayed'}: ${ping.why}`,
  ];
  if (ping.setup !== undefined) {
    const { nameToHitMs, hitToLinkMs, firstPacketMs } = ping.setup;
    const name = nameToHitMs === null ? '' : `name to HIT ${formatMs(nameToHitMs)}, `;
    lines.push(`set-up: ${name}HIT to link ${formatMs(hitToLinkMs)}, first packet ${formatMs(firstPacketMs)}`);
  }
  ping.rttMs.forEach((rtt, i) => {
    lines.push(rtt === null ? `seq=${i + 1} lost` : `seq=${i + 1} time=${formatMs(rtt)}`);
  });
  const came = ping.rttMs.filter((rtt) => rtt !== null);
  const lost = ping.rttMs.length === 0 ? 0 : (100 * (ping.rttMs.length - came.length)) / ping.rttMs.length;
  lines.push('', `${ping.rttMs.length} sent, ${came.length} received, ${lost.toFixed(0)} % lost`);
  if (came.length > 0) {
    const mean = came.reduce((sum, rtt) => sum + rtt, 0) / came.length;
    const spread = [Math.min(...came), mean, Math.max(...came)].map((ms) => ms.toFixed(2)).join('/');
    lines.push(`rtt min/avg/max = ${spread} ms`);
  }
  return lines.join('\n');
}
