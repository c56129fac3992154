import { readFileSync } from 'node:fs';
import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { readConnectionServices } from '../../../src/portmap/device-description.ts';

const GATEWAY = '192.168.178.1';
const LOCATION = `http://${GATEWAY}:49000/igd2desc.xml`;

function service(type: string, control: string): string {
  return `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType>
    <serviceId>urn:upnp-org:serviceId:x</serviceId><controlURL>${control}</controlURL>
    <eventSubURL>/e</eventSubURL><SCPDURL>/s.xml</SCPDURL></service>`;
}

function description(services: string, base = ''): Uint8Array {
  return Buffer.from(`<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>${base}
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:2</deviceType>
 <serviceList>${service('Layer3Forwarding:1', '/l3f')}</serviceList>
 <deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:2</deviceType>
  <serviceList>${service('WANCommonInterfaceConfig:1', '/common')}</serviceList>
  <deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:2</deviceType>
   <serviceList>${services}</serviceList></device></deviceList></device></deviceList></device></root>`);
}

test('the services that map ports are found deep in the tree, WANIPConnection of either version first', (t) => {
  const document = description(
    service('WANPPPConnection:1', '/ppp') + service('WANIPConnection:2', '/ip2') + service('WANIPConnection:1', 'ip1'),
  );
  t.deepEqual(readConnectionServices(document, LOCATION, GATEWAY), [
    { type: 'urn:schemas-upnp-org:service:WANIPConnection:2', controlUrl: `http://${GATEWAY}:49000/ip2` },
    { type: 'urn:schemas-upnp-org:service:WANIPConnection:1', controlUrl: `http://${GATEWAY}:49000/ip1` },
    { type: 'urn:schemas-upnp-org:service:WANPPPConnection:1', controlUrl: `http://${GATEWAY}:49000/ppp` },
  ]);
});

test("miniupnpd's description of an IGD:2 is understood", (t) => {
  const file = new URL('../../vectors/portmap/miniupnpd-2.3.1-root-desc.xml', import.meta.url);
  t.deepEqual(readConnectionServices(readFileSync(file), `http://${GATEWAY}:5000/rootDesc.xml`, GATEWAY), [
    { type: 'urn:schemas-upnp-org:service:WANIPConnection:2', controlUrl: `http://${GATEWAY}:5000/ctl/IPConn` },
  ]);
});

test('URLs are relative to URLBase, unless that names another host than the gateway', (t) => {
  const services = service('WANIPConnection:1', '/ctl');
  const control = (base: string): string | undefined =>
    readConnectionServices(description(services, `<URLBase>${base}</URLBase>`), LOCATION, GATEWAY)[0]?.controlUrl;
  t.is(control(`http://${GATEWAY}:5431/`), `http://${GATEWAY}:5431/ctl`);
  t.is(control('http://10.0.0.138:80/'), `http://${GATEWAY}:49000/ctl`);
});

test('a service that names another host is left out', (t) => {
  const document = description(service('WANIPConnection:1', 'http://192.168.178.20/ctl'));
  t.deepEqual(readConnectionServices(document, LOCATION, GATEWAY), []);
});

test('a document of entities, of too many elements, too deep, or broken is refused', (t) => {
  const bad = [
    '<!DOCTYPE lolz [<!ENTITY a "ha">]><root>&a;</root>',
    `<root>${'<x/>'.repeat(5_000)}</root>`,
    '<x>'.repeat(100),
    '<root><device></root>',
    'no XML at all',
    '',
    `<root>${' '.repeat(70_000)}</root>`,
  ];
  for (const document of bad)
    t.throws(() => readConnectionServices(Buffer.from(document), LOCATION, GATEWAY), {
      instanceOf: MalformedMessageError,
    });
});

test('of very many services only some are kept', (t) => {
  const many = Array.from({ length: 100 }, (_, i) => service('WANIPConnection:1', `/ctl${i}`)).join('');
  t.is(readConnectionServices(description(many), LOCATION, GATEWAY).length, 8);
});
