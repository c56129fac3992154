import { fc, testProp } from '@fast-check/ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { longTermKey } from '../../../src/stun/integrity.ts';
import type { StunAttributes, StunMessage } from '../../../src/stun/message.ts';
import { MAX_CHANNELS } from '../../../src/turn/constants.ts';
import { TurnClient } from '../../../src/turn/turn-client.ts';
import { nextSent } from '../../unit/turn/turn-server.ts';

const SERVER = { address: '203.0.113.1', port: 3_478 };
const BASE = { address: '192.168.1.2', port: 6_084 };
const USER = { username: 'alice', password: 'secret' };

const address = fc.record({
  address: fc.constantFrom('203.0.113.7', '0.0.0.0', '127.0.0.1', '224.0.0.1', '2001:db8::1', 'a000::1'),
  port: fc.constantFrom(0, 1, 49_152, 65_535),
});
const algorithms = fc.array(
  fc.record({ number: fc.constantFrom(0, 1, 2, 3, 65_535), parameters: fc.uint8Array({ maxLength: 5 }) }),
  { maxLength: 4 },
);
const attributes = fc.record(
  {
    realm: fc.constantFrom('', 'a', '"b"', '\u3000c'),
    nonce: fc.constantFrom('', 'n', 'obMatJos2', 'obMatJos2AAAA', 'obMatJos2wAAAx', 'obMatJos2gAAA'),
    passwordAlgorithms: algorithms,
    errorCode: fc.record({
      code: fc.constantFrom(300, 400, 401, 403, 420, 437, 438, 440, 441, 486, 500, 699),
      reason: fc.constantFrom('', 'x'.repeat(200), '\n\u0000'),
    }),
    xorRelayedAddress: address,
    additionalRelayedAddress: address,
    xorMappedAddress: address,
    xorPeerAddress: address,
    lifetime: fc.constantFrom(0, 1, 19, 20, 600, 0xffff_ffff),
    data: fc.uint8Array({ maxLength: 8 }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<StunAttributes>;
/** What the server does with the next request, or how much time passes. */
const step = fc.oneof(
  fc.record({
    kind: fc.constantFrom<StunMessage['class']>('success', 'error', 'error'),
    attributes,
    authentic: fc.boolean(),
  }),
  fc.record({ advanceMs: fc.constantFrom(0, 500, 8_000, 60_000, 600_000) }),
  fc.record({ peer: fc.nat(200) }),
);

testProp(
  'whatever a server answers, the client stays usable, sends little for it, and keeps bounded memory',
  [fc.integer(), fc.array(step, { maxLength: 60 })],
  (t, seed, steps) => {
    const client = new TurnClient({ random: seededRandom(seed), logger: silentLogger, isWanted: () => true });
    let now = 0;
    let requests: StunMessage[] = [];
    const collect = (): number => {
      let sent = 0;
      for (let out = nextSent(client); out !== undefined; out = nextSent(client)) {
        const request = decodeStun(out.data);
        t.deepEqual(out.remote, SERVER);
        t.false(Buffer.from(out.data).includes(USER.password));
        requests.push(request);
        sent += 1;
      }
      for (let event = client.pollEvent(); event !== undefined; event = client.pollEvent());
      return sent;
    };
    client.setBases([BASE], now);
    client.setServers([{ address: SERVER, ...USER }], now);
    collect();
    const channels = new Set<number>();
    for (const next of steps) {
      if ('advanceMs' in next) {
        now += next.advanceMs;
        client.handleTimeout(now);
        // Each that waits once, and what is due besides.
        t.true(collect() <= 2 * MAX_CHANNELS + 4);
      } else if ('peer' in next) {
        for (const { local } of client.allocations)
          client.open(local, { address: '198.51.100.1', port: 1 + next.peer }, new Uint8Array(4), now);
        t.true(collect() <= 1);
      } else {
        const request = requests.pop();
        if (request === undefined) continue;
        const { realm = '', username } = request.attributes;
        const isSha256 = request.integrity?.sha256 !== undefined;
        const key = longTermKey(
          USER.username,
          realm.replaceAll('"', '').replaceAll('\u3000', ' '),
          USER.password,
          'md5',
        );
        const raw = encodeStun(
          {
            class: next.kind,
            method: request.method,
            transactionId: request.transactionId,
            attributes: next.attributes,
          },
          next.authentic && username !== undefined ? { key, integrity: isSha256 ? 'sha256' : 'sha1' } : {},
        );
        client.receive(decodeStun(raw), raw, BASE, SERVER, now);
        client.unwrap(decodeStun(raw), BASE, SERVER);
        t.true(collect() <= 1);
      }
      for (const { attributes: sent } of requests)
        if (sent.channelNumber !== undefined) channels.add(sent.channelNumber);
      for (const number of channels) t.true(number >= 0x4000 && number <= 0x4fff);
      requests = requests.slice(-200);
      const due = client.nextTimeout();
      t.true(due === undefined || Number.isFinite(due));
    }
    // Nothing of it keeps a good server from being used.
    client.setServers([], now);
    client.setServers([{ address: SERVER, ...USER }], now);
    requests = [];
    collect();
    t.true(requests.length > 0);
  },
);
