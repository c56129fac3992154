import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TUN_NAME } from '../../scripts/testbed/agent.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { rtpPackets } from '../../scripts/testbed/rtp-stream.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { hearFromNowOn, longestSilence } from './support/hearing.ts';
import { type Place, phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

/** Registrations and calls are on the disk a second after they came. */
const KEPT_MS = 2_000;
const ANSWER_MS = 20_000;
const TALK_MS = 2_000;
/** As two agents take to start on a machine that is busy. */
const SPEECH_S = 120;
/** Of what a phone sends in that time: a packet every 20 ms. */
const LEAST_PACKETS = 50;

/** Two offers in the dialog, each of which the other phone sees. */
async function holdAndResume(here: Phone, there: Phone): Promise<void> {
  for (const command of ['hold', 'resume'] as const) {
    const before = there.count('CALL_REMOTE_SDP');
    await here[command]();
    await eventually(`a re-INVITE to ${command}`, ANSWER_MS, () =>
      there.count('CALL_REMOTE_SDP') > before ? true : undefined,
    );
    // Until it is answered and acknowledged, baresip makes no other.
    await delay(500);
  }
}

/** As it enters and leaves the host from now on. */
async function rtpBothWays(lab: Lab, { agent, namespace }: Place): Promise<void> {
  const { hit } = await agent.status();
  let tries = 0;
  await eventually('RTP goes both ways', ANSWER_MS, async () => {
    tries += 1;
    const capture = await Capture.start(namespace, TUN_NAME, join(lab.directory, `rtp-${tries}.pcapng`), 'udp');
    await delay(TALK_MS);
    const packets = await rtpPackets(capture);
    const sent = packets.filter(({ source }) => source === hit).length;
    return (sent >= LEAST_PACKETS && packets.length - sent >= LEAST_PACKETS) || undefined;
  });
}

systemTest(
  "in a call of two members each side's agent is killed in turn: both hear each other again when it is back, then either holds and resumes, and the called hangs up",
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const speech = join(lab.directory, 'said.wav');
    writeWav(speech, speechLike(SPEECH_S, 6940));
    const [alice, bob] = [
      await phoneAt(lab, places.alice, { family: 6, speech }),
      await phoneAt(lab, places.bob, { family: 6, speech }),
    ];
    await alice.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([alice.established(ANSWER_MS), bob.established(ANSWER_MS)]);
    await hearFromNowOn('before', [alice, bob]);
    await delay(KEPT_MS);
    for (const who of ['bob', 'alice'] as const) {
      const silence = longestSilence(t, [alice, bob]);
      await hosts[who].crash();
      hosts[who] = await hosts[who].startAgain();
      await hearFromNowOn(`${who}'s agent is back`, [alice, bob], 30_000);
      t.log(`${who}'s agent killed: alice hears nothing for ${silence().join(' ms, and bob for ')} ms`);
    }
    // baresip 1.0 records nothing more after a hold: from here on its RTP is seen.
    await holdAndResume(alice, bob);
    await holdAndResume(bob, alice);
    await rtpBothWays(lab, places.alice);
    for (const phone of [alice, bob]) t.is(phone.count('CALL_CLOSED'), 0);
    await bob.hangUp();
    await alice.next('CALL_CLOSED', ANSWER_MS);
    t.is(alice.count('CALL_ESTABLISHED'), 1);
    await Promise.all([alice.stop(), bob.stop()]);
  },
);
