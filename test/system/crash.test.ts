import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Agent } from '../../scripts/testbed/agent.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { pingTimes } from '../../scripts/testbed/load.ts';
import { patience, sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { systemTest } from './support/system-test.ts';

const RETURN_MS = patience(sanitizedAgents(), 30_000);

async function reaches(from: Namespace, address: string): Promise<void> {
  await eventually(`${address} answers`, RETURN_MS, async () =>
    (await pingTimes(from, address, 1, 200)).length > 0 ? true : undefined,
  );
}

/** Kills it, starts it again: the same host, as if nothing had been. */
async function dieAndReturn(t: ExecutionContext, agent: Agent): Promise<Agent> {
  const before = await agent.status();
  await agent.crash();
  const again = await agent.startAgain();
  const after = await again.status();
  t.is(after.hit, before.hit);
  t.is(after.ipv4, before.ipv4);
  t.is(after.name, before.name);
  t.is(after.overlay, before.overlay);
  return again;
}

systemTest(
  'any agent that is killed comes back as the same host, and the next packet makes the link again',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const [a, b] = [hosts.homes.a.namespace, hosts.homes.b.namespace];
    const [alice, bob] = [await hosts.alice.status(), await hosts.bob.status()];
    await reaches(a, bob.hit);
    await reaches(a, bob.ipv4 ?? '');

    hosts.bob = await dieAndReturn(t, hosts.bob);
    await reaches(a, bob.hit);
    await reaches(a, bob.ipv4 ?? '');
    t.log('bob is back');

    hosts.alice = await dieAndReturn(t, hosts.alice);
    await reaches(a, bob.hit);
    await reaches(b, alice.ipv4 ?? '');
    t.log('alice is back');

    await dieAndReturn(t, hosts.peer);
    await reaches(a, bob.hit);
    await reaches(b, alice.hit);
    t.log('the peer is back');
  },
);

/** What leaves by the ordinary interface towards the overlay's ranges. */
async function leaks(lab: Lab, namespace: Namespace, label: string, send: () => Promise<void>): Promise<number> {
  const filter = 'net 198.18.0.0/15 or ip6 net 2001:20::/28';
  const capture = await Capture.start(namespace, 'eth0', join(lab.directory, `${label}.pcapng`), filter);
  await send();
  return (await capture.fields('frame', ['frame.number'])).length;
}

systemTest(
  'while an agent is down its overlay addresses are unreachable, and nothing leaves by another interface',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const { namespace } = hosts.homes.b;
    // A home with IPv6, so that a leak would have a way out.
    await namespace.ip('address', 'add', '2001:db8:2::10/64', 'dev', 'eth0', 'nodad');
    await namespace.ip('route', 'add', 'default', 'via', '2001:db8:2::1');
    const alice = await hosts.alice.status();
    await reaches(namespace, alice.hit);
    const tryBoth = async (): Promise<void> => {
      for (const address of [alice.hit, alice.ipv4 ?? '']) {
        const { stdout, stderr, status } = await namespace.tryRun('ping', ['-n', '-c', '1', '-W', '2', address]);
        t.not(status, 0);
        t.regex(stdout + stderr, /unreachable|No route to host/i, address);
      }
    };
    await hosts.bob.crash();
    t.is(await leaks(lab, namespace, 'killed', tryBoth), 0);
    hosts.bob = await hosts.bob.startAgain();
    await reaches(namespace, alice.hit);
    t.is(await hosts.bob.stop(), 0);
    t.is(await leaks(lab, namespace, 'stopped', tryBoth), 0);
  },
);

systemTest(
  'the only peer loses power after a host that is off: who asks is told that one’s addresses still',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const user = 'alice';
    const { hit, ipv4 } = await eventually('bob is told her addresses', RETURN_MS, async () => {
      const status = await hosts.alice.status();
      const told = await hosts.bob.resolve(user).catch(() => undefined);
      return status.ipv4 !== null && told?.ipv4 === status.ipv4 ? status : undefined;
    });
    // Longer than what is written waits for.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await hosts.alice.crash();
    await hosts.peer.crash();
    const peer = await hosts.peer.startAgain();
    const found = await eventually('alice is found', RETURN_MS, async () => {
      const answer = await peer.resolve(user).catch(() => undefined);
      return answer?.ipv4 === ipv4 ? answer : undefined;
    });
    t.is(found.hit, hit);
  },
);
