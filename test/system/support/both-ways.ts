import type { ExecutionContext } from 'ava';
import type { Agent } from '../../../scripts/testbed/agent.ts';
import type { Namespace } from '../../../scripts/testbed/lab.ts';

/** Each of two agents reaches the other one, by its name in the overlay, through a TURN server and no member's hop. */
export async function reachByTurn(
  t: ExecutionContext,
  overlay: string,
  ways: readonly (readonly [from: Agent, to: string])[],
): Promise<void> {
  for (const [from, to] of ways) {
    const ping = await from.ping(`${to}.${overlay}`, 3);
    t.log(`to ${to}: ${JSON.stringify(ping.setup)}, ${ping.rttMs.join(', ')} ms, ${JSON.stringify(ping.path)}`);
    t.is(ping.path?.type, 'relay');
    t.is(ping.path?.via, undefined);
    t.true(ping.rttMs.every((rtt) => rtt !== null));
  }
}

/** Packets of three sizes, the largest in fragments, from each host to the HIT of the other one: none is lost. */
export async function packetsPass(
  t: ExecutionContext,
  ways: readonly (readonly [from: { readonly namespace: Namespace }, to: string])[],
): Promise<void> {
  for (const [from, to] of ways)
    for (const size of [56, 1_150, 1_400])
      t.regex(
        // For the last answer it waits as long as between two.
        await from.namespace.run('ping', ['-6', '-n', '-c', '10', '-i', '0.2', '-s', String(size), to]),
        / 0% packet loss/,
      );
}
