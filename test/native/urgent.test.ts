import { setImmediate } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Agent, Wire } from './support/network.ts';
import { onWire, until } from './support/on-wire.ts';

const PORT = 7001;
const VOICE = 172;
const BULK = 1200;
const BULK_PACKETS = 60;
const VOICE_PACKETS = 3;

/** Bulk, then voice, while `frozen` does nothing. @returns the sizes in the order in which programs at b saw them */
async function queued(wire: Wire, frozen: Agent, address: string): Promise<number[]> {
  const sizes = [...Array<number>(BULK_PACKETS).fill(BULK), ...Array<number>(VOICE_PACKETS).fill(VOICE)];
  // Of a call that goes on already: only then bulk is read ahead.
  const before = (await received(wire)).length + 1;
  const [sendOne, sendAll] = [
    await wire.a.readyBeside(address, PORT, [VOICE]),
    await wire.a.readyBeside(address, PORT, sizes),
  ];
  await sendOne();
  await until(async () => (await received(wire)).length === before);
  await frozen.freeze();
  try {
    await sendAll();
  } finally {
    frozen.thaw();
  }
  await until(async () => (await received(wire)).length >= before + sizes.length);
  return (await received(wire)).slice(before);
}

async function received(wire: Wire): Promise<number[]> {
  return (await wire.b.call<string[]>('receivedUdp', PORT)).map((digest) => Number(digest.split(':')[0]));
}

function voiceFirst(t: ExecutionContext, order: readonly number[], message: string): void {
  t.deepEqual(order.slice(0, VOICE_PACKETS), Array<number>(VOICE_PACKETS).fill(VOICE), message);
}

onWire('marked packets leave before bulk that programs sent before them', async (t, wire) => {
  await wire.linkAndAuthorize();
  await wire.b.call('listenUdp', PORT);
  wire.a.markVoice(VOICE);
  for (const address of [wire.b.hit, wire.b.ipv4]) voiceFirst(t, await queued(wire, wire.a, address), address);
});

onWire('marked packets enter before bulk that reached the host before them', async (t, wire) => {
  await wire.linkAndAuthorize();
  await wire.b.call('listenUdp', PORT);
  wire.a.markVoice(VOICE);
  for (const address of [wire.b.hit, wire.b.ipv4]) voiceFirst(t, await queued(wire, wire.b, address), address);
});

onWire('without a mark packets of one kind leave and enter in their order', async (t, wire) => {
  await wire.linkAndAuthorize();
  await wire.b.call('listenUdp', PORT);
  for (const frozen of [wire.a, wire.b])
    t.deepEqual((await queued(wire, frozen, wire.b.hit)).slice(-VOICE_PACKETS), [VOICE, VOICE, VOICE]);
});

onWire('voice without a mark is known by its rhythm, and goes before bulk from then on', async (t, wire) => {
  await wire.linkAndAuthorize();
  await wire.b.call('listenUdp', PORT);
  for (const [i, address] of [wire.b.hit, wire.b.ipv4].entries()) {
    const before = (await received(wire)).length;
    const sendBulk = await wire.a.readyBeside(address, PORT, Array<number>(BULK_PACKETS).fill(BULK));
    const phone = wire.a.speakBeside(address, PORT, VOICE);
    let spoken: number;
    try {
      await until(async () => (await wire.a.counter('voiceFlows')) > i);
      await wire.a.freeze();
      await sendBulk();
      const behind = phone.sent() + 2;
      while (phone.sent() < behind) await setImmediate();
      spoken = phone.sent();
    } finally {
      phone.stop();
      wire.a.thaw();
    }
    const order = async (): Promise<number[]> => (await received(wire)).slice(before);
    await until(async () => (await order()).filter((size) => size === BULK).length === BULK_PACKETS);
    t.true((await order()).indexOf(BULK) >= spoken, address);
  }
});
