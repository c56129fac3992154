import test from 'ava';
import { encodeSearches, gatewayUrl, locationOf } from '../../../src/portmap/ssdp.ts';

const GATEWAY = '192.168.1.1';

function answer(lines: readonly string[], status = 'HTTP/1.1 200 OK'): Uint8Array {
  return Buffer.from(`${[status, ...lines].join('\r\n')}\r\n\r\n`);
}

test('both versions of the gateway are searched for, and its services', (t) => {
  const searches = encodeSearches().map((data) => Buffer.from(data).toString());
  t.deepEqual(
    searches.map((search) => /\r\nST: (.*)\r\n\r\n$/.exec(search)?.[1]?.replace('urn:schemas-upnp-org:', '')),
    [
      'device:InternetGatewayDevice:1',
      'device:InternetGatewayDevice:2',
      'service:WANIPConnection:1',
      'service:WANPPPConnection:1',
    ],
  );
  for (const search of searches)
    t.regex(search, /^M-SEARCH \* HTTP\/1\.1\r\nHOST: 239\.255\.255\.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n/);
});

test("a gateway's answer tells where its description is, however its headers are written", (t) => {
  const st = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  const location = 'http://192.168.1.1:49000/igddesc.xml';
  t.is(locationOf(answer([`LOCATION: ${location}`, `ST: ${st}`])), location);
  t.is(locationOf(answer([`st:${st}`, 'EXT:', `location:  ${location}  `])), location);
});

test('the answer of a printer, an error, and too long a one say nothing', (t) => {
  const location = 'LOCATION: http://192.168.1.1:49000/igddesc.xml';
  const st = 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  t.is(locationOf(answer([location, 'ST: urn:schemas-upnp-org:device:Printer:1'])), undefined);
  t.is(locationOf(answer([location, st], 'HTTP/1.1 404 Not Found')), undefined);
  t.is(locationOf(answer([location, st, `X: ${'x'.repeat(3_000)}`])), undefined);
  t.is(locationOf(new Uint8Array(0)), undefined);
});

test('a URL is asked only when it is of the gateway itself', (t) => {
  const base = 'http://192.168.1.1:49000/desc.xml';
  t.is(gatewayUrl('/ctl', GATEWAY, base), 'http://192.168.1.1:49000/ctl');
  t.is(gatewayUrl('http://192.168.1.1:5000/ctl', GATEWAY, base), 'http://192.168.1.1:5000/ctl');
  for (const foreign of [
    'http://192.168.1.2/ctl',
    'http://fritz.box/ctl',
    'https://192.168.1.1/ctl',
    'http://user:secret@192.168.1.1/ctl',
    'file:///etc/passwd',
    '//10.0.0.1/ctl',
    'http://[::1]/',
  ])
    t.is(gatewayUrl(foreign, GATEWAY, base), undefined, foreign);
  t.is(gatewayUrl('', GATEWAY), undefined);
});
