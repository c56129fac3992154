import { setTimeout as delay } from 'node:timers/promises';
import { request } from '../../src/control/client.ts';
import type { Agent } from './agent.ts';
import { DSCP_EF, echoFlow, type EchoResult } from './echo-flow.ts';
import type { Lab } from './lab.ts';
import type { Findings } from './report.ts';
import { threeHosts } from './three-hosts.ts';

const LOOK_MS = 1_000;
/** A certificate is renewed when two thirds of its life are over, or shortly before. */
const RENEWED_AFTER_PART = 2 / 3;

export interface RenewalOptions {
  /** Of the certificates; the least that agents take is a minute. */
  readonly lifetimeS: number;
  readonly minutes: number;
}

/**
 * `lab renewal`: a call between two homes, both ways by IPv6 and by IPv4, for many times the life of the certificates. The
 * public peer that lets them in issues the new ones.
 */
export async function renewal(
  lab: Lab,
  findings: Findings,
  { lifetimeS, minutes }: RenewalOptions,
  progress: (text: string) => void,
): Promise<void> {
  const configuration = `certificate_lifetime = ${lifetimeS}\n`;
  const { homes, peer, alice, bob } = await threeHosts(lab, progress, { configuration });
  const agents = [peer, alice, bob];
  const { hit } = await bob.status();
  const { ipv4 } = await alice.status();
  // The link is made before anything counts.
  await Promise.all([alice.ping(hit), bob.ping(ipv4 ?? '')]);
  const watches = agents.map((agent) => new CertificateWatch(agent));
  const seconds = minutes * 60;
  const before = await handshakes(alice, bob);
  const [a, b] = [homes.a.namespace, homes.b.namespace];
  progress(`a call of ${minutes} minutes, certificates of ${lifetimeS} s`);
  const call = Promise.all([
    echoFlow({ from: a, to: b, address: hit, dscp: DSCP_EF, seconds }),
    echoFlow({ from: b, to: a, address: ipv4 ?? '', dscp: DSCP_EF, seconds }),
  ]);
  const running = { is: true };
  const watching = watchAll(watches, running, progress);
  let results: readonly EchoResult[];
  try {
    results = await call;
  } finally {
    running.is = false;
    await watching;
  }
  // Each datagram and its echo are two packets.
  const sent = results.reduce((sum, result) => sum + result.sent, 0);
  const echoed = results.reduce((sum, { rttMs }) => sum + rttMs.length, 0);
  const made = (await handshakes(alice, bob)) - before;
  const renewals = watches.map((watch) => watch.renewals);
  const least = Math.min(...renewals);
  findings.figure('minutes', minutes);
  findings.figure('packets.sent', 2 * sent);
  findings.figure('packets.lost', sent - echoed);
  findings.figure('rtt.worst_ms', Math.max(...results.flatMap(({ rttMs }) => rttMs)));
  findings.figure(
    'renewals',
    renewals.reduce((sum, count) => sum + count, 0),
  );
  findings.figure('renewals.least', least);
  findings.figure('handshakes', made);
  findings.expect('packets.lost', sent === echoed, 'not one');
  findings.expect('handshakes', made === 0, 'none on links that are up');
  const wanted = Math.floor(seconds / lifetimeS / RENEWED_AFTER_PART) - 1;
  findings.expect('renewals.least', least >= wanted, `each host at least ${wanted}`);
  for (const { agent, lapsed } of watches)
    findings.expect('renewals.least', !lapsed, `the certificate of ${agent.name} ended before it was renewed`);
}

/** New certificates of one host. */
class CertificateWatch {
  readonly agent: Agent;
  renewals = 0;
  lapsed = false;
  private expires: number | null = null;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  async look(): Promise<void> {
    const { membership } = await request(this.agent.socket, 'status', {});
    if (this.expires !== null && membership.expires !== this.expires) this.renewals += 1;
    this.expires = membership.expires;
    this.lapsed ||= membership.lapsed;
  }
}

async function watchAll(
  watches: readonly CertificateWatch[],
  running: { readonly is: boolean },
  progress: (text: string) => void,
): Promise<void> {
  let told = performance.now();
  while (running.is) {
    await Promise.all(watches.map((watch) => watch.look()));
    if (performance.now() - told >= 60_000) {
      told += 60_000;
      progress(watches.map(({ agent, renewals }) => `${agent.name} ${renewals}`).join(', '));
    }
    await delay(LOOK_MS);
  }
}

async function handshakes(...agents: readonly Agent[]): Promise<number> {
  const counters = await Promise.all(agents.map(({ socket }) => request(socket, 'counters', {})));
  return counters.reduce((sum, { handshakesCompleted = 0 }) => sum + handshakesCompleted, 0);
}
