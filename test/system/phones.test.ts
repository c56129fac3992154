import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Phone } from '../../scripts/testbed/phone.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { CallWatch } from './support/call-watch.ts';
import { systemTest } from './support/system-test.ts';

const TALK_MS = 2000;

for (const { family, alice, bob, uri } of [
  { family: 6, alice: '2001:20::1', bob: '2001:20::2', uri: 'sip:bob@[2001:20::2]' },
  { family: 4, alice: '198.18.0.1', bob: '198.18.0.2', uri: 'sip:bob@198.18.0.2' },
] as const)
  systemTest(
    `two phones on one cable hear each other's speech over IPv${family}, and every packet is counted`,
    async (t, lab) => {
      const [a, b] = [await lab.namespace('a'), await lab.namespace('b')];
      await lab.cable(a, 'idloc0', b, 'idloc0');
      for (const [namespace, address] of [
        [a, alice],
        [b, bob],
      ] as const) {
        if (family === 6) await namespace.ip('address', 'add', `${address}/28`, 'dev', 'idloc0', 'nodad');
        else await namespace.ip('address', 'add', `${address}/15`, 'dev', 'idloc0');
        await namespace.ip('link', 'set', 'idloc0', 'up');
      }
      await a.carrier('idloc0');
      const speech = join(lab.directory, 'speech.wav');
      writeWav(speech, speechLike(10, 6940));
      const watch = await CallWatch.start(lab, `v${family}`, [
        { name: 'alice', namespace: a, addresses: [alice] },
        { name: 'bob', namespace: b, addresses: [bob] },
      ]);
      const options = { family, interfaceName: 'idloc0', speech };
      const [calling, called] = await Promise.all([
        Phone.start({ ...options, namespace: a, directory: lab.folder('pa'), addressOfRecord: 'alice@home.example' }),
        Phone.start({ ...options, namespace: b, directory: lab.folder('pb'), addressOfRecord: 'bob@home.example' }),
      ]);
      await calling.dial(uri);
      await Promise.all([calling.established(10_000), called.established(10_000)]);
      await delay(TALK_MS);
      await calling.hangUp();
      await Promise.all([calling.stop(), called.stop()]);
      await watch.nothingLost(t, (0.9 * TALK_MS) / 20);
      t.true(calling.loudnessHeard() > 0.02);
      t.true(called.loudnessHeard() > 0.02);
    },
  );
