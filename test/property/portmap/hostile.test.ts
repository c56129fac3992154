import { fc, testProp } from '@fast-check/ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Input } from '../../../src/portmap/attempt.ts';
import { readConnectionServices } from '../../../src/portmap/device-description.ts';
import { decodeNatPmpAnswer, encodeMappingRequest } from '../../../src/portmap/nat-pmp.ts';
import { decodePcpAnswer, encodeMapRequest } from '../../../src/portmap/pcp.ts';
import { PortMapper } from '../../../src/portmap/port-mapper.ts';
import { decodeActionAnswer } from '../../../src/portmap/soap.ts';
import { locationOf } from '../../../src/portmap/ssdp.ts';

const UPLINK = { gateway: '192.168.1.1', local: '192.168.1.10' };
const NONCE = new Uint8Array(12).fill(7);

/** Bytes near to what is understood: a valid start, then anything. */
const nearly = fc
  .tuple(
    fc.constantFrom('', '0281', '028100', '0280', '0080', '0081', '00810000', '02810000', 'HTTP/1.1 200 OK\r\n'),
    fc.uint8Array({ maxLength: 80 }),
  )
  .map(([start, rest]) =>
    Buffer.concat([start.startsWith('H') ? Buffer.from(start) : Buffer.from(start, 'hex'), rest]),
  );
const xmlish = fc
  .array(
    fc.constantFrom(
      '<root>',
      '</root>',
      '<service>',
      '</service>',
      '<controlURL>http://10.0.0.1/</controlURL>',
      '<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>',
      '<s:Body>',
      '</s:Body>',
      '<UPnPError><errorCode>718</errorCode></UPnPError>',
      '<!DOCTYPE x [<!ENTITY y "z">]>',
      '&y;',
      '&',
      '<![CDATA[',
      ']]>',
      '\0',
      '<?xml version="1.0"?>',
      '<a b="',
      '">',
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.from(parts.join('')));

function refusesOnly(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof MalformedMessageError;
  }
}

testProp('whatever comes, a decoder reads it or calls it malformed', [nearly, xmlish], (t, bytes, document) => {
  t.true(refusesOnly(() => decodePcpAnswer(bytes)));
  t.true(refusesOnly(() => decodeNatPmpAnswer(bytes)));
  t.true(refusesOnly(() => locationOf(bytes)));
  for (const text of [document, bytes]) {
    t.true(refusesOnly(() => readConnectionServices(text, 'http://192.168.1.1/', UPLINK.gateway)));
    t.true(refusesOnly(() => decodeActionAnswer('AddPortMapping', 500, text)));
  }
});

testProp(
  'a request that is sent back with the bit of an answer is read as it was written',
  [fc.nat(0xffff), fc.nat(0xffff), fc.nat(0xffff_ffff), fc.uint8Array({ minLength: 12, maxLength: 12 })],
  (t, internalPort, port, lifetimeS, nonce) => {
    const suggested = { address: '203.0.113.1', port };
    const pcp = encodeMapRequest({ client: UPLINK.local, lifetimeS, nonce, internalPort, suggested });
    pcp[1] = 0x81;
    pcp.fill(0, 8, 24);
    const answer = decodePcpAnswer(pcp);
    t.like(answer, { type: 'map', result: 0, lifetimeS, epochS: 0, internalPort, external: suggested });
    t.deepEqual(answer.type === 'map' ? answer.nonce : undefined, nonce);
    const request = encodeMappingRequest({ internalPort, externalPort: port, lifetimeS });
    const natPmp = Buffer.concat([Buffer.of(0, 129, 0, 0, 0, 0, 0, 9), request.subarray(4)]);
    const expected = { type: 'mapping' as const, epochS: 9, internalPort, externalPort: port, lifetimeS };
    t.deepEqual(decodeNatPmpAnswer(natPmp), expected);
  },
);

const input: fc.Arbitrary<Input> = fc.oneof(
  nearly.map((data) => ({ type: 'gateway' as const, data })),
  fc.constant({ type: 'refused' as const }),
  nearly.map((data) => ({ type: 'searched' as const, from: { address: UPLINK.gateway, port: 1900 }, data })),
  fc
    .tuple(fc.nat(9), fc.constantFrom(200, 500, 404), fc.oneof(xmlish, nearly))
    .map(([id, status, body]) => ({ type: 'answered' as const, id, status, body })),
  fc.nat(9).map((id) => ({ type: 'failed' as const, id, why: 'x' })),
);

testProp(
  'nothing that a router sends ends the mapper, and it sends a bounded number of requests for it',
  [fc.array(fc.tuple(fc.nat(2_000), input), { maxLength: 60 })],
  (t, events) => {
    const mapper = new PortMapper(
      { random: seededRandom(1), logger: silentLogger },
      { port: 6084, nonceFor: () => NONCE },
    );
    let now = 0;
    let sent = 0;
    const pump = (): void => {
      while (mapper.pollTransmit() !== undefined) sent += 1;
    };
    mapper.setUplink(UPLINK, now);
    pump();
    for (const [pause, event] of events) {
      now += pause;
      mapper.handleTimeout(now);
      mapper.input(event, now);
      mapper.announced(event.type === 'gateway' ? event.data : NONCE, { address: UPLINK.gateway, port: 5351 }, now);
      pump();
      t.is(mapper.mapping.external, undefined, 'no answer had our nonce');
    }
    // A round: three tries each by PCP and NAT-PMP and its second step, three times eight searches, some of HTTP.
    const rounds = 1 + now / 10_000;
    t.true(sent <= rounds * 60, `${sent} in ${now} ms`);
    mapper.stop(now);
    mapper.handleTimeout(now + 20_000);
    t.true(mapper.stopped);
  },
);
