import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayConfigurationError } from '../../../src/config/errors.ts';
import { readOverlayConfiguration } from '../../../src/config/overlay-configuration-reader.ts';
import { signOverlayConfiguration } from '../../../src/config/overlay-configuration-writer.ts';
import { overlayConfiguration, type OverlayConfiguration } from '../../../src/config/overlay-configuration.ts';
import { signElement } from '../../../src/config/configuration-signature.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';

const overlay = 'example.net';
const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(7);
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const options = { overlay, authority: authority.fingerprint };
const node = HostIdentity.fromScalar(new Uint8Array(32).fill(9)).hit;
const full: OverlayConfiguration = {
  overlay,
  sequence: 22,
  expiration: wallNow,
  rootCertificates: [authority.certificate],
  mode: 'invite',
  bootstrapNodes: [
    { address: '192.0.2.2', port: 6084 },
    { address: '2001:db8::1', port: 7000 },
  ],
  clientsPermitted: false,
  turnDensity: 20,
  maxMessageSize: 4000,
  initialTtl: 30,
  reliabilityTimerMs: 500,
  chordUpdateIntervalS: 400,
  chordPingIntervalS: 30,
  chordReactive: false,
  configurationSigners: [authority.hit],
  badNodes: [node],
  kinds: [
    {
      kind: 'SIP-REGISTRATION',
      dataModel: 'DICTIONARY',
      accessControl: 'USER-NODE-MATCH',
      maxCount: 10,
      maxSize: 1000,
    },
    {
      kind: 0xf000_0001,
      dataModel: 'ARRAY',
      accessControl: 'NODE-MULTIPLE',
      maxCount: 2,
      maxSize: 4,
      maxNodeMultiple: 3,
    },
  ],
  ipv4Prefix: '10.84.0.0/16',
  certificateLifetimeS: 120,
  dnsName: 'hosts.example.net',
  rendezvous: 'mainline',
};
const document = Buffer.from(signOverlayConfiguration(full, authority)).toString();

/** A document around this content of the configuration element, signed. */
function signed(content: string, attributes = 'sequence="1"', signer = authority): Uint8Array {
  const element = `<configuration instance-name="${overlay}" ${attributes}>${content}</configuration>`;
  const signature = Buffer.from(signElement(Buffer.from(element), signer)).toString('base64');
  return Buffer.from(
    `<overlay xmlns="urn:ietf:params:xml:ns:p2p:config-base" xmlns:chord="urn:ietf:params:xml:ns:p2p:config-chord" xmlns:e="urn:e" xmlns:idloc="urn:idloc:config">${element}<signature>${signature}</signature></overlay>`,
  );
}

test('a document comes back with every field', (t) => {
  t.deepEqual(readOverlayConfiguration(Buffer.from(document), options), full);
});

test("a document that says little has RFC 6940's defaults", (t) => {
  const { rootCertificates, configurationSigners } = full;
  const bare = overlayConfiguration({ overlay });
  t.deepEqual(readOverlayConfiguration(signed(''), options), bare);
  const written = signOverlayConfiguration(bare, authority);
  t.deepEqual(readOverlayConfiguration(written, options), { ...bare, rootCertificates, configurationSigners });
});

test('signing a document that was read again changes no field', (t) => {
  const again = signOverlayConfiguration(readOverlayConfiguration(Buffer.from(document), options), authority);
  t.deepEqual(readOverlayConfiguration(again, options), full);
});

test("the configuration of the RFC's form is read: spaces, CDATA, 1 and 0, elements of other namespaces", (t) => {
  const content = `<!-- c --><chord:chord-ping-interval>\n 30 </chord:chord-ping-interval><clients-permitted>0</clients-permitted>
    <bootstrap-node address="2001:DB8::1"/><e:example>foo</e:example><max-message-size><![CDATA[4000]]></max-message-size>
    <overlay-link-protocol>HIP</overlay-link-protocol><overlay-link-protocol>TLS</overlay-link-protocol>
    <self-signed-permitted digest="sha1">true</self-signed-permitted>`;
  const configuration = readOverlayConfiguration(
    signed(content, 'sequence="0" expiration="2002-10-10T07:00:00Z" e:x="&lt;"'),
    options,
  );
  t.is(configuration.chordPingIntervalS, 30);
  t.false(configuration.clientsPermitted);
  t.deepEqual(configuration.bootstrapNodes, [{ address: '2001:db8::1', port: 6084 }]);
  t.is(configuration.maxMessageSize, 4000);
  t.is(configuration.mode, 'open');
  t.is(configuration.expiration, Date.UTC(2002, 9, 10, 7));
});

test('the configuration of another overlay may stand beside', (t) => {
  const text = document.replace(
    '<configuration ',
    '<configuration instance-name="other.example"/><signature>AA==</signature><configuration ',
  );
  t.is(readOverlayConfiguration(Buffer.from(text), options).overlay, overlay);
  t.throws(() => readOverlayConfiguration(Buffer.from(text), { ...options, overlay: 'third.example' }), {
    instanceOf: OverlayConfigurationError,
    message: /no configuration of the overlay third.example/,
  });
});

test('a change of one space in the signed element, another signer, and no signature are refused', (t) => {
  const refuses = (text: string | Uint8Array, message: RegExp): unknown =>
    t.throws(() => readOverlayConfiguration(Buffer.from(text), options), {
      instanceOf: OverlayConfigurationError,
      message,
    });
  refuses(document.replace('<initial-ttl>30<', '<initial-ttl>31<'), /changed after it was signed/);
  refuses(document.replace('</configuration>', ' </configuration>'), /changed after it was signed/);
  refuses(document.replace(/<signature>.*<\/signature>/s, ''), /not signed/);
  refuses(document.replace(/<signature>.*<\/signature>/s, '<signature>AAAA</signature>'), /cannot be read/);
  refuses(document.replace('<signature>', '<signature>!'), /base64/);
  const stranger = OverlayAuthority.create({ overlay, wallNow, random });
  refuses(signed('', 'sequence="1"', stranger), /another key/);
});

test('a document type, and with it every entity, is refused', (t) => {
  const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>${document.replace(/^<\?xml.*\?>/, '')}`;
  t.throws(() => readOverlayConfiguration(Buffer.from(bomb), options), {
    instanceOf: OverlayConfigurationError,
    message: /document type/,
  });
  t.throws(() => readOverlayConfiguration(signed('<initial-ttl>&a;</initial-ttl>'), options), {
    instanceOf: OverlayConfigurationError,
  });
});

test('long, deep, wide and broken documents are refused', (t) => {
  const bad: readonly (string | Uint8Array)[] = [
    '',
    'x',
    '<overlay/>',
    document.slice(0, -20),
    ' '.repeat(70_000),
    '<a>'.repeat(20_000),
    `<a>${'<b/>'.repeat(5000)}</a>`,
    Uint8Array.of(0x3c, 0xff, 0xfe),
    document.replace('xmlns=', 'xmlns:other='),
  ];
  for (const bytes of bad)
    t.throws(() => readOverlayConfiguration(Buffer.from(bytes), options), { instanceOf: OverlayConfigurationError });
});

test('a place to meet that this version does not know is none', (t) => {
  const read = (content: string): ReturnType<typeof readOverlayConfiguration> =>
    readOverlayConfiguration(signed(content), options);
  t.is(read('<idloc:rendezvous>moon</idloc:rendezvous>').rendezvous, 'none');
});

test('values out of bounds are refused, also when the authority signed them', (t) => {
  const contents = [
    '<initial-ttl>0</initial-ttl>',
    '<initial-ttl>256</initial-ttl>',
    '<initial-ttl>1e1</initial-ttl>',
    '<initial-ttl>9</initial-ttl><initial-ttl>8</initial-ttl>',
    '<overlay-reliability-timer>199</overlay-reliability-timer>',
    '<max-message-size>9999999999</max-message-size>',
    '<chord:chord-update-interval>0</chord:chord-update-interval>',
    '<node-id-length>20</node-id-length>',
    '<topology-plugin>CAN</topology-plugin>',
    '<mandatory-extension>urn:other</mandatory-extension>',
    '<overlay-link-protocol>HIP</overlay-link-protocol>',
    '<clients-permitted>yes</clients-permitted>',
    '<bad-node>12</bad-node>',
    '<root-cert>YmFkIGNlcnQK</root-cert>',
    '<root-cert>%%</root-cert>',
    '<bootstrap-node address="example.net"/>',
    '<bootstrap-node address="192.0.2.1" port="0"/>',
    '<idloc:mode>open</idloc:mode>',
    '<idloc:mode>closed</idloc:mode>',
    '<idloc:ipv4-prefix>0.0.0.0/0</idloc:ipv4-prefix>',
    '<idloc:ipv4-prefix>198.18.0.0/31</idloc:ipv4-prefix>',
    '<idloc:dns-name>A B</idloc:dns-name>',
    '<required-kinds><kind-block/></required-kinds>',
    '<required-kinds><kind-block><kind id="1" name="X"/></kind-block></required-kinds>',
    '<required-kinds><kind-block><kind id="1"><data-model>SET</data-model></kind></kind-block></required-kinds>',
    '<bad-node>20010022000000000000000000000000</bad-node>'.repeat(501),
  ];
  for (const content of contents)
    t.throws(
      () => readOverlayConfiguration(signed(content), options),
      { instanceOf: OverlayConfigurationError },
      content,
    );
  for (const attributes of [
    '',
    'sequence="65535"',
    'sequence="1" expiration="tomorrow"',
    'sequence="1" expiration="2002-99-10T07:00:00Z"',
  ])
    t.throws(
      () => readOverlayConfiguration(signed('', attributes), options),
      { instanceOf: OverlayConfigurationError },
      attributes,
    );
});

test('what members would refuse is not signed', (t) => {
  for (const change of [{ sequence: 70_000 }, { initialTtl: 0 }, { ipv4Prefix: '1.2.3.4/8' }, { overlay: '"><x' }])
    t.throws(() => signOverlayConfiguration({ ...full, ...change }, authority), {
      instanceOf: OverlayConfigurationError,
    });
});
