import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Capture } from '../../scripts/testbed/capture.ts';
import { MOVES } from '../../scripts/testbed/handover/moves.ts';
import { Scene, type SceneKind } from '../../scripts/testbed/handover/scene.ts';
import { knownTunnels } from '../../scripts/testbed/handover/tunnels.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { rtpPackets } from '../../scripts/testbed/rtp-stream.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { lossesAt } from './support/losses.ts';
import { systemTest } from './support/system-test.ts';

interface Journey {
  readonly title: string;
  readonly kind: SceneKind;
  /** Of `lab handover`. */
  readonly moves: readonly string[];
}

const JOURNEYS: readonly Journey[] = [
  {
    title: 'one call of two phones behind NATs goes on through six moves',
    kind: 'nats',
    // Each of another kind: what the kernel tells of, and what nobody does.
    moves: ['hard_nat', 'overlap', 'both', 'rebind_nat', 'nat_reboot_nat', 'dead_path_nat'],
  },
  {
    title: 'one call of two phones goes on from a network with IPv4 alone to one with IPv6 alone and back',
    kind: 'families',
    moves: ['families', 'families'],
  },
];

const ANSWER_TIMEOUT_MS = 15_000;
/** After a move, and of those the ones at the end in which speech is counted: one packet every 20 ms. */
const HEALING_MS = 1_500;
const COUNTED_MS = 500;
const MOST_PACKETS = COUNTED_MS / 20;

for (const { title, kind, moves } of JOURNEYS)
  systemTest(`${title}, heard by both after each move, with no handshake more`, async (t, lab) => {
    const scene = await Scene.create(kind, { ports: 'random', links: 0 }, lab);
    const { a, b } = scene;
    const tunnel = await knownTunnels().get('idloc')?.(scene);
    if (tunnel === undefined) throw new Error('idloc makes a tunnel');
    const speech = join(lab.directory, 'speech.wav');
    writeWav(speech, speechLike(60, 6940));
    const captures = await Promise.all([
      Capture.start(a.host.namespace, 'idloc0', join(lab.directory, 'a.pcapng'), 'udp'),
      Capture.start(b.host.namespace, 'idloc0', join(lab.directory, 'b.pcapng'), 'udp'),
    ]);
    const options = { family: 6, interfaceName: 'idloc0', speech } as const;
    const [calling, called] = await Promise.all([
      Phone.start({
        ...options,
        namespace: a.host.namespace,
        directory: lab.folder('pa'),
        addressOfRecord: 'a@x.example',
      }),
      Phone.start({
        ...options,
        namespace: b.host.namespace,
        directory: lab.folder('pb'),
        addressOfRecord: 'b@x.example',
      }),
    ]);
    await calling.dial(`sip:b@[${tunnel.addressOfB}]`);
    await Promise.all([calling.established(ANSWER_TIMEOUT_MS), called.established(ANSWER_TIMEOUT_MS)]);
    const before = await tunnel.handshakes();
    const windows: { readonly name: string; readonly from: number; readonly to: number }[] = [];
    for (const name of moves) {
      const move = MOVES[name];
      if (move === undefined) throw new Error(`no move ${name}`);
      await Promise.all([a.ready(), b.ready()]);
      await move.prepare?.(scene);
      await move.act(scene);
      await delay(HEALING_MS);
      const to = Date.now() / 1000;
      windows.push({ name, from: to - COUNTED_MS / 1000, to });
      await move.undo?.(scene);
    }
    const after = await tunnel.handshakes();
    const losses = await Promise.all(
      [a, b].map(({ host }, i) =>
        lossesAt({ name: host.name, namespace: host.namespace, socket: tunnel.sockets?.[i] }),
      ),
    );
    t.is(calling.count('CALL_CLOSED') + called.count('CALL_CLOSED'), 0);
    t.is(after, before);
    await Promise.all([calling.stop(), called.stop()]);
    const [atA, atB] = await Promise.all(captures.map(rtpPackets));
    for (const { name, from, to } of windows) {
      const heard = (packets: typeof atA, source: string): number =>
        packets?.filter((packet) => packet.source === source && packet.at >= from && packet.at <= to).length ?? 0;
      const [byA, byB] = [heard(atA, tunnel.addressOfB), heard(atB, tunnel.addressOfA)];
      t.log(`${name}: ${byA} and ${byB} of ${MOST_PACKETS} packets`);
      if (byA < 0.8 * MOST_PACKETS || byB < 0.8 * MOST_PACKETS) t.log(losses.flat().join('\n'));
      t.true(byA >= 0.8 * MOST_PACKETS && byB >= 0.8 * MOST_PACKETS, name);
    }
  });
