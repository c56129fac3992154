import fc from 'fast-check';
import { addressToBytes } from '../../src/base/ip-address.ts';
import { ipv4Packet, ipv6Packet } from './support/packets.ts';
import type { HeaderFields } from './support/packets.ts';
import { onWire, until } from './support/on-wire.ts';
import { Tap } from './support/tap.ts';

const SAMPLES = 40;
const SEED = 20;

const FIELDS: fc.Arbitrary<HeaderFields> = fc.record({
  trafficClass: fc.nat(0xff),
  flowLabel: fc.nat(0xfffff),
  identification: fc.nat(0xffff),
  fragment: fc.nat(0xffff),
  hopLimit: fc.nat(0xff),
  // No TCP or UDP: those may be joined with others.
  protocol: fc.integer({ min: 18, max: 0xff }),
});
const BODY = fc.uint8Array({ maxLength: 1100 });

/** The forms of native/src/net/compressed_header.h, written from its diagrams. */
function compressed(version: 4 | 6, fields: HeaderFields, body: Uint8Array): string {
  const head = Buffer.alloc(version === 6 ? 7 : 8);
  head.writeUInt8(0x10 + version, 0);
  head.writeUInt8(fields.trafficClass, 1);
  if (version === 6) {
    head.writeUInt8(fields.protocol, 2);
    head.writeUInt8(fields.hopLimit, 3);
    head.writeUIntBE(fields.flowLabel, 4, 3);
  } else {
    head.writeUInt16BE(fields.identification, 2);
    head.writeUInt16BE(fields.fragment, 4);
    head.writeUInt8(fields.hopLimit, 6);
    head.writeUInt8(fields.protocol, 7);
  }
  return Buffer.concat([head, body]).toString('hex');
}

function hexOf(packets: readonly Buffer[]): string[] {
  return packets.map((packet) => packet.toString('hex'));
}

onWire('a packet with its addresses left out comes out of the TUN whole', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.linkAndAuthorize();
  const tap = await Tap.open(b.namespace);
  try {
    const samples = fc.sample(fc.tuple(fc.constantFrom(4 as const, 6 as const), FIELDS, BODY), {
      numRuns: SAMPLES,
      seed: SEED,
    });
    for (const [version, fields, body] of samples)
      await a.call('sendRecord', links.a, compressed(version, fields, body));
    await until(async () => (await b.counter('tunWrites')) >= SAMPLES);
    const [hits, addresses] = [[a.hit, b.hit].map(addressToBytes), [a.ipv4, b.ipv4].map(addressToBytes)];
    const expected = samples.map(([version, fields, body]) => {
      const [make, [source = [], destination = []]] = version === 6 ? [ipv6Packet, hits] : [ipv4Packet, addresses];
      return make(fields, Uint8Array.from(source), Uint8Array.from(destination), body);
    });
    // The kernel here answers some of them.
    const sources = [a.hit, a.ipv4].map((address) => Buffer.from(addressToBytes(address)).toString('hex'));
    const delivered = (): string[] =>
      hexOf(tap.packets()).filter((hex) =>
        sources.includes(hex.startsWith('6') ? hex.slice(16, 48) : hex.slice(24, 32)),
      );
    await until(async () => Promise.resolve(delivered().length >= SAMPLES));
    t.deepEqual(delivered(), hexOf(expected));
    t.is(await b.counter('dropBadCompressed'), 0);
  } finally {
    await tap.close();
  }
});

onWire('what programs put into the IP header arrives, options too', async (t, wire) => {
  const { a, b } = wire;
  await wire.linkAndAuthorize();
  const [sent, received] = [await Tap.open(a.namespace), await Tap.open(b.namespace)];
  try {
    const ping = (...options: string[]): void => {
      t.true(a.ping(options.pop() ?? '', ...options), options.join(' '));
    };
    ping('-Q', '0xb9', '-F', '0xabcde', '-t', '7', b.hit);
    ping('-Q', '0x2a', '-t', '9', '-M', 'do', '-s', '1000', b.ipv4);
    for (const size of ['3000', '5000']) {
      ping('-M', 'dont', '-s', size, b.ipv4);
      ping('-s', size, b.hit);
    }
    ping('-R', b.ipv4);
    ping('-T', 'tsonly', b.ipv4);
    const packets = await a.counter('packetsOut');
    t.true(packets >= 18, String(packets));
    // Both directions: what one end sent is what came in at the other.
    await until(async () =>
      Promise.resolve(sent.packets().length >= 2 * packets && received.packets().length >= 2 * packets),
    );
    t.deepEqual(hexOf(received.packets()).sort(), hexOf(sent.packets()).sort());
  } finally {
    await sent.close();
    await received.close();
  }
});

onWire('compressed headers of no known form are dropped and counted', async (t, wire) => {
  const { a, b } = wire;
  const links = await wire.linkAndAuthorize();
  const others = [0, 1, 2, 3, 5, 7, 8, 15].map((low) => `1${low.toString(16)}${'00'.repeat(60)}`);
  for (const record of others) await a.call('sendRecord', links.a, record);
  await until(async () => (await b.counter('dropUnexpectedContent')) >= others.length);
  const records = [
    // Cut short.
    ...Array.from({ length: 6 }, (_, i) => `16${'00'.repeat(i)}`),
    ...Array.from({ length: 7 }, (_, i) => `14${'00'.repeat(i)}`),
    // What is reserved.
    ...['10', '80', 'f0'].map((reserved) => `16003b40${reserved}0000`),
  ];
  for (const record of records) await a.call('sendRecord', links.a, record);
  await until(async () => (await b.counter('dropBadCompressed')) >= records.length);
  t.is(await b.counter('dropBadCompressed'), records.length);
  t.is(await b.counter('dropUnexpectedContent'), others.length);
  t.is(await b.counter('tunWrites'), 0);
  t.true(a.ping(b.hit));
});
