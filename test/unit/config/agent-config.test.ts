import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import test from 'ava';
import { agentConfig, readConfigFile } from '../../../src/config/agent-config.ts';
import { ConfigError } from '../../../src/config/errors.ts';
import { makeCertificateFor } from '../../native/support/named-certificate.ts';

const file = (text: string): { path: string; text: string } => ({ path: '/etc/idloc/config.toml', text });

test('without file and options the defaults hold', (t) => {
  const config = agentConfig(undefined, {});
  t.is(config.listen, 6084);
  t.false(config.copyDscp);
  t.false(config.sleep);
  t.is(config.state, '/var/lib/idloc');
  t.is(config.socket, '/run/idloc/idloc.sock');
  t.deepEqual(config.tun, { enable: true, name: 'idloc0', mtu: undefined, table: undefined });
  t.deepEqual(config.uplinks, { forbid: [], prefer: [] });
  t.deepEqual(config.limits, {});
  t.is(config.relayBytesPerSecond, undefined);
  t.is(config.rendezvous, null);
  t.true(config.mdns);
  t.true(config.portMapping);
  t.deepEqual([config.name, config.overlay, config.user, config.role], [null, null, null, 'auto']);
});

test('a host that is not to hand on for others hands on nothing, whatever the rate', (t) => {
  const config = agentConfig(file('[relay]\nenable = false\nbytes_per_second = 1000000\n'), {});
  t.is(config.relayBytesPerSecond, 0);
});

test('the command line goes before the file, the file before the defaults, key by key', (t) => {
  const text = `
name = "saturn"
listen = 7000
role = "client"
copy_dscp = true
sleep = true
certificate_lifetime = 120
advertise = ["203.0.113.7:6084", "[2001:db8::7]:6084", "Home.example.org:7000"]
stun = ["stun.example:3478"]
rendezvous = "mainline"
mdns = false
port_mapping = false
mainline_bootstrap = ["203.0.113.20:6881"]
[tun]
name = "idloc1"
mtu = 1300
[uplinks]
forbid = ["wwan0"]
prefer = ["eth0", "wlan0"]
[dns]
listen = "[::1]:5353"
[relay]
bytes_per_second = 100000
[limits]
held_bytes = 1000
`;
  const config = agentConfig(file(text), { listen: 0, tun: { enable: false, name: undefined }, name: undefined });
  t.is(config.name, 'saturn');
  t.is(config.listen, 0);
  t.is(config.role, 'client');
  t.true(config.copyDscp);
  t.true(config.sleep);
  t.is(config.certificateLifetimeS, 120);
  t.deepEqual(config.advertise, [
    { host: '203.0.113.7', port: 6084 },
    { host: '2001:db8::7', port: 6084 },
    { host: 'Home.example.org', port: 7000 },
  ]);
  t.is(config.relayBytesPerSecond, 100_000);
  t.is(config.rendezvous, 'mainline');
  t.false(config.mdns);
  t.false(config.portMapping);
  t.deepEqual(config.mainlineBootstrap, [{ host: '203.0.113.20', port: 6881 }]);
  t.deepEqual(config.stun, [{ host: 'stun.example', port: 3478 }]);
  t.deepEqual(config.tun, { enable: false, name: 'idloc1', mtu: 1300, table: undefined });
  t.deepEqual(config.dns, { enable: true, listen: { address: '::1', port: 5353 } });
  t.deepEqual(config.uplinks, { forbid: ['wwan0'], prefer: ['eth0', 'wlan0'] });
  t.deepEqual(config.limits, { heldBytes: 1000 });
});

test('every mistake in the file is one line with the place', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['[relay]\nbytes_per_second = 1000', /^\/etc\/idloc\/config.toml:2: relay.bytes_per_second: .*64000/],
    ['\nlisten = 99999', /^\/etc\/idloc\/config.toml:2: listen: .*65535/],
    ['advertise = ["203.0.113.7"]', /:1: advertise.0: must be an address or a host name with a port/],
    ['advertise = ["203.0.113:6084"]', /:1: advertise.0: must be/],
    ['stun = ["stun.example:0"]', /:1: stun.0: must be/],
    ['a = 1', /:1: a: there is no such setting/],
    ['[tun]\n\nfoo = 1', /:3: tun.foo: there is no such setting/],
    ['[tun]\nmtu = 100\n[dns]\nmtu = 1', /:2: tun.mtu: .*1280/],
    ['tun = { mtu = 4 }', /:1: tun.mtu/],
    ['tun = { table = 0 }', /:1: tun.table/],
    ['tun = { table = 254 }', /:1: tun.table: must be none of the tables of the kernel/],
    ['[limits]\nevent_bytes = 0', /:2: limits.event_bytes/],
    ['tun.name = "a/b"', /:1: tun.name: must be an interface name/],
    ['[uplinks]\nforbid = ["a b"]', /:2: uplinks.forbid.0: must be an interface name/],
    ['[uplinks]\navoid = []', /:2: uplinks.avoid: there is no such setting/],
    ['name = "x y"', /:1: name: must be one label of a host name/],
    ['user = "alice"', /:1: user: must be a user name/],
    ['ipv4_prefix = "198.18.0.1/15"', /:1: ipv4_prefix: must be a prefix/],
    ['certificate_lifetime = 59', /:1: certificate_lifetime: .*60/],
    ['name = "a.b"', /:1: name: must be one label/],
    ['user = "dave.jones@home.example"', /:1: user: must be a user name/],
    ['overlay = "com"', /:1: overlay: must be an overlay name of at least two labels/],
    ['[dns]\nlisten = "localhost"', /:2: dns.listen: must be an address with a port/],
    ['log = "loud"', /:1: log: /],
    ['listen = "6084"', /:1: listen: /],
    ['[peer]\nx = 1', /:1: peer: there is no such setting/],
    ['name = "a"\nname = "b"', /:2: /],
    ['[tun\n', /config.toml:1: /],
  ];
  for (const [text, message] of cases) {
    const error = t.throws(() => agentConfig(file(text), {}), { instanceOf: ConfigError, message }, text);
    t.false(error.message.includes('\n'));
  }
});

test('a wrong option of the command line is named as such', (t) => {
  t.throws(() => agentConfig(undefined, { listen: -1 }), {
    instanceOf: ConfigError,
    message: /^command line: listen: /,
  });
});

test('a missing file is fine at the default place only', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config.toml');
  t.throws(() => readConfigFile(path), { instanceOf: ConfigError, message: /config.toml: cannot be read: ENOENT/ });
  t.throws(() => readConfigFile(directory), { instanceOf: ConfigError, message: /EISDIR/ });
  writeFileSync(path, 'listen = 1');
  t.deepEqual(readConfigFile(path), { path, text: 'listen = 1' });
  writeFileSync(path, '#'.repeat(100_000));
  t.throws(() => readConfigFile(path), { instanceOf: ConfigError, message: /longer than/ });
});

test('streams are accepted where it says so, and look in TLS as it says', (t) => {
  t.deepEqual(agentConfig(undefined, {}).stream, { listen: [], serverName: null, alpn: ['http/1.1'] });
  const text = '[stream]\nlisten = ["0.0.0.0:443", "[::]:443"]\nserver_name = "www.example.org"\nalpn = ["h2"]\n';
  t.deepEqual(agentConfig(file(text), {}).stream, {
    listen: [
      { address: '0.0.0.0', port: 443 },
      { address: '::', port: 443 },
    ],
    serverName: 'www.example.org',
    alpn: ['h2'],
  });
  for (const bad of ['listen = ["443"]', 'server_name = "203.0.113.7"', 'server_name = "a b"', 'alpn = [""]'])
    t.throws(() => agentConfig(file(`[stream]\n${bad}\n`), {}), { instanceOf: ConfigError });
});

test('who may ring: members, unless the configuration says otherwise', (t) => {
  const named = agentConfig(file('[sip]\ngateways = ["office"]\n'), {}).sip.callers.callers;
  t.is(named, 'anyone', 'whoever names a gateway wants its calls');
  t.deepEqual(agentConfig(undefined, {}).sip.callers, {
    callers: 'members',
    contacts: [],
    block: [],
    callsPerMinute: 30,
  });
  const text = [
    '[sip]',
    'callers = "contacts"',
    'contacts = ["bob"]',
    'block = ["mallory"]',
    'night = "22:30-07:05"',
    'calls_per_minute = 6',
    'trust_header = "X-Idloc-Trust"',
  ];
  const { callers, trustHeader } = agentConfig(file(text.join('\n')), {}).sip;
  t.deepEqual(callers, {
    ...{ callers: 'contacts', contacts: ['bob'], block: ['mallory'], callsPerMinute: 6 },
    night: { from: 22 * 60 + 30, to: 7 * 60 + 5 },
  });
  t.is(trustHeader, 'X-Idloc-Trust');
});

test('the SIP adaptor is on wherever there is a TUN, on port 5062', (t) => {
  t.like(agentConfig(undefined, {}).sip, { enable: true, port: 5062 });
  t.like(agentConfig(file('[sip]\nport = 5080\n'), {}).sip, { enable: true, port: 5080 });
  t.false(agentConfig(file('[sip]\nenable = false\n'), {}).sip.enable);
  t.false(agentConfig(file('[sip]\nenable = true\n'), { tun: { enable: false } }).sip.enable);
});

for (const [line, message] of [
  ['port = 0', /config\.toml:2: sip\.port: /],
  ['port = 65536', /config\.toml:2: sip\.port: /],
  ['port = "5062"', /config\.toml:2: sip\.port: /],
  ['enable = 1', /config\.toml:2: sip\.enable: /],
  ['proxy = "sip:example.org"', /config\.toml:2: sip\.proxy: there is no such setting/],
  ['callers = "nobody"', /config\.toml:2: sip\.callers: /],
  ['night = "22:00-24:00"', /config\.toml:2: sip\.night: must be two times of a day such as 22:00-07:00/],
  ['block = "mallory"', /config\.toml:2: sip\.block: /],
  ['calls_per_minute = 0', /config\.toml:2: sip\.calls_per_minute: /],
  ['trust_header = "From"', /config\.toml:2: sip\.trust_header: must be the name of a header field that begins/],
] as const)
  test(`a SIP adaptor is refused with ${line}, and the line is said`, (t) => {
    t.throws(() => agentConfig(file(`[sip]\n${line}\n`), {}), { instanceOf: ConfigError, message });
  });

test('a trunk has a domain, an account with a password, and numbers; without a password it is a peer', (t) => {
  const trunk = (text: string) => agentConfig(file(`[sip]\ncountry = "DE"\n[sip.trunk]\n${text}\n`), {}).sip.trunk;
  t.is(agentConfig(undefined, {}).sip.trunk, undefined);
  const account = 'domain = "Sip.Example.org"\nuser = "4930"\npassword = "a b"\nnumbers = { "+4930111" = "alice" }';
  t.deepEqual(trunk(account), {
    ...{ domain: 'sip.example.org', server: { host: 'sip.example.org' }, user: '4930', port: 5064, address: undefined },
    credentials: { user: '4930', password: 'a b' },
    ...{ numbers: new Map([['+4930111', 'alice']]), defaultUser: undefined, callers: undefined },
    ...{ isOpen: false, maxCalls: 32, tls: undefined, media: 'rtp' },
  });
  const peer = trunk('domain = "pbx.example"\nserver = "[2001:db8::7]:5080"\ntransport = "tcp"\nopen = true');
  t.deepEqual(peer?.server, { host: '2001:db8::7', port: 5080, transport: 'tcp' });
  t.is(peer?.credentials, undefined);
  t.deepEqual(trunk('domain = "x.example"\nserver = "192.0.2.1"')?.server, { host: '192.0.2.1' });
  t.is(trunk('domain = "x.example"\nenable = false'), undefined);
  for (const [bad, message] of [
    ['user = "a"', /sip\.trunk\.domain/],
    ['domain = "a b"', /must be a domain or an address/],
    ['domain = "x.example"\npassword = "a"', /needs the user that the password is of/],
    [
      'domain = "x.example"\nuser = "a"\npassword = "a"\npassword_file = "/b"',
      /needs either password or password_file/,
    ],
    ['domain = "x.example"\nnumbers = { "a b" = "alice" }', /sip\.trunk\.numbers/],
    ['domain = "x.example"\ndefault = "alice@home.example"', /first part of a user name/],
  ] as const)
    t.throws(() => trunk(bad), { instanceOf: ConfigError, message });
});

test('a trunk over TLS: names that the certificate may have, and files; what makes no sense without it is refused', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-trunk-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { certificates, key } = await makeCertificateFor('gateway.example');
  const [ca, keyFile] = [join(directory, 'ca.pem'), join(directory, 'key.pem')];
  writeFileSync(ca, certificates);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const account = 'domain = "sip.example.org"\nuser = "a"\npassword = "b"\n';
  const trunk = (text: string) => agentConfig(file(`[sip]\n[sip.trunk]\n${account}${text}\n`), {}).sip.trunk;
  const plain = trunk('transport = "tls"');
  t.deepEqual(plain?.server, { host: 'sip.example.org', transport: 'tls' });
  t.deepEqual(plain?.tls, {
    ...{ names: ['sip.example.org'], serverName: 'sip.example.org', authorities: '', own: undefined },
  });
  t.deepEqual(trunk('transport = "tls"\nserver = "192.0.2.7:5071"')?.tls?.names, ['192.0.2.7', 'sip.example.org']);
  const more = trunk(
    `transport = "tls"\nmedia = "srtp"\ntls_name = "*.Example.org"\nca_file = "${ca}"\ncertificate_file = "${ca}"\nkey_file = "${keyFile}"`,
  );
  t.is(more?.media, 'srtp');
  t.deepEqual(more?.tls?.names, ['*.example.org']);
  t.is(more?.tls?.serverName, 'sip.example.org');
  t.is(more?.tls?.authorities, certificates);
  t.is(more?.tls?.own?.certificate.key, key);
  for (const [bad, message] of [
    ['media = "srtp"', /sip\.trunk\.media: needs transport = "tls"/],
    ['media = "srtp-optional"\ntransport = "tcp"', /sip\.trunk\.media: needs transport = "tls"/],
    ['tls_name = "x.example"', /sip\.trunk\.tls_name: needs transport = "tls"/],
    [`ca_file = "${ca}"`, /sip\.trunk\.ca_file: needs transport = "tls"/],
    ['transport = "tls"\nopen = true', /sip\.trunk\.open: other domains are not called over TLS/],
    [`transport = "tls"\ncertificate_file = "${ca}"`, /sip\.trunk: certificate_file and key_file are of each other/],
    [`transport = "tls"\nca_file = "${keyFile}"`, /must hold certificates of authorities/],
    ['transport = "tls"\ntls_name = "a b"', /must be a name as the certificate has it/],
    ['transport = "dtls"', /sip\.trunk\.transport/],
  ] as const)
    t.throws(() => trunk(bad), { instanceOf: ConfigError, message }, bad);
  const peer = file('[sip]\n[sip.trunk]\ndomain = "x.example"\ntransport = "tls"\n');
  t.throws(() => agentConfig(peer, {}), { instanceOf: ConfigError, message: /"tls" needs user and password/ });
});

const TURN = '[turn]\nuser = "alice"\nservers = ["turn:turn.example.org"]\n';

test('TURN servers have the port of RFC 8656 unless another is named, and a password from the file or beside it', (t) => {
  t.is(agentConfig(undefined, {}).turn, undefined);
  const servers = 'servers = ["turn:203.0.113.7", "turn:[2001:db8::7]:5000?transport=udp"]';
  t.deepEqual(agentConfig(file(`[turn]\n${servers}\nuser = "alice"\npassword = "a b"\n`), {}).turn, {
    servers: [
      { host: '203.0.113.7', port: 3478, over: 'udp' },
      { host: '2001:db8::7', port: 5000, over: 'udp' },
    ],
    authorities: '',
    user: 'alice',
    password: 'a b',
  });
  for (const bad of ['a.example:3478', 'turn:', 'turn:a.example:0', 'turn:a.example?transport=sctp', 'https:a.example'])
    t.throws(() => agentConfig(file(`[turn]\nservers = ["${bad}"]\nuser = "a"\npassword = "b"\n`), {}), {
      instanceOf: ConfigError,
      message: /:2: turn\.servers\.0: must be a server such as/,
    });
  for (const passwords of ['', 'password = "a"\npassword_file = "/b"\n'])
    t.throws(() => agentConfig(file(TURN + passwords), {}), { message: /needs either password or password_file/ });
});

test('the URI of a TURN server says whether it is over UDP, TCP or TLS; over DTLS there is none', (t) => {
  const over = (uri: string): unknown =>
    agentConfig(file(`[turn]\nservers = ["${uri}"]\nuser = "a"\npassword = "b"\n`), {}).turn?.servers[0];
  t.deepEqual(over('turn:turn.example.org?transport=tcp'), { host: 'turn.example.org', port: 3478, over: 'tcp' });
  t.deepEqual(over('turns:turn.example.org'), { host: 'turn.example.org', port: 5349, over: 'tls' });
  t.deepEqual(over('turns:turn.example.org:443?transport=tcp'), { host: 'turn.example.org', port: 443, over: 'tls' });
  t.deepEqual(over('turns:[2001:db8::7]'), { host: '2001:db8::7', port: 5349, over: 'tls' });
  t.throws(() => over('turns:turn.example.org?transport=udp'), { message: /must be a server such as/ });
});

test('what streams show in TLS is a certificate with its key, which others cannot read, or none of both', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [certificate, key, other] = ['certificate', 'key', 'other'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const load = (keyFile = key): unknown =>
    agentConfig(file(`[stream]\ncertificate_file = "${certificate}"\nkey_file = "${keyFile}"\n`), {}).stream
      .certificate;
  const made = await makeCertificateFor('turn.example.org');
  writeFileSync(certificate, made.certificates);
  writeFileSync(key, made.key, { mode: 0o640 });
  writeFileSync(other, (await makeCertificateFor('turn.example.org')).key, { mode: 0o640 });
  t.deepEqual(load(), made);
  t.throws(() => load(other), {
    instanceOf: ConfigError,
    message: /other: is not the key of the first certificate in/,
  });
  t.throws(() => load(certificate), { instanceOf: ConfigError, message: /holds a key, and every user can read it/ });
  t.throws(() => agentConfig(file(`[stream]\nkey_file = "${key}"\n`), {}), { message: /needs both/ });
  writeFileSync(key, 'no key');
  t.throws(load, { instanceOf: ConfigError, message: /key: must hold a key without a passphrase, in PEM/ });
  rmSync(key);
  t.throws(load, { instanceOf: ConfigError, message: /key: cannot be read: ENOENT/ });
});

test('the authorities of TURN servers are read from a file of certificates, and from no other', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ca.pem');
  const load = (): string | undefined =>
    agentConfig(file(`${TURN}password = "b"\nca_file = "${path}"\n`), {}).turn?.authorities;
  t.throws(load, { instanceOf: ConfigError, message: /ca\.pem: cannot be read: ENOENT/ });
  writeFileSync(path, 'no certificate\n');
  t.throws(load, { instanceOf: ConfigError, message: /ca\.pem: must hold certificates of authorities, in PEM/ });
  const pem = rootCertificates[0] ?? '';
  writeFileSync(path, pem);
  t.is(load(), pem);
});

test('a password that every user of the machine can read is refused, in the configuration and in a file of its own', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'idloc-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'config.toml');
  const secret = join(directory, 'secret');
  const load = (): string | undefined => agentConfig(readConfigFile(path), {}).turn?.password;
  writeFileSync(path, `${TURN}password = "s3cret"\n`);
  chmodSync(path, 0o644);
  const error = t.throws(load, { instanceOf: ConfigError, message: /every user can read it; chmod o= / });
  t.false(error.message.includes('s3cret'));
  chmodSync(path, 0o640);
  t.is(load(), 's3cret');
  writeFileSync(path, `${TURN}password_file = "${secret}"\n`);
  t.throws(load, { instanceOf: ConfigError, message: /secret: cannot be read: ENOENT/ });
  writeFileSync(secret, 'open sesame\n');
  chmodSync(secret, 0o604);
  t.throws(load, { instanceOf: ConfigError, message: /every user can read it/ });
  chmodSync(secret, 0o600);
  t.is(load(), 'open sesame');
  writeFileSync(secret, 'two\nlines\n');
  t.throws(load, { instanceOf: ConfigError, message: /must hold the password, one line/ });
});

test('a TURN server has users, in a file that others cannot read, or is none', (t) => {
  const table = '[turn_server]\nenable = true\n';
  t.is(agentConfig(file('[turn_server]\nusers = { alice = "a b" }\n'), {}).turnServer, undefined);
  t.is(agentConfig(file('[turn_server]\nenable = false\n'), {}).turnServer, 'off');
  t.is(agentConfig(file(''), {}).turnServer, undefined);
  t.deepEqual(agentConfig(file(`${table}users = { alice = "a b" }\nrealm = "example.org"\n`), {}).turnServer, {
    members: true,
    realm: 'example.org',
    users: [{ name: 'alice', password: 'a b' }],
    bytesPerSecond: 4_000_000,
    allocations: 64,
    allocationsPerUser: 8,
    allowPrivate: false,
  });
  t.like(agentConfig(file(table), {}).turnServer, { members: true, users: [] });
  t.throws(() => agentConfig(file(`${table}members = false\n`), {}), {
    message: /turn_server\.users: must have 1 to 64 users/,
  });
});

test('what a peer stores for others is kept over a restart and bounded; the file may say otherwise', (t) => {
  t.deepEqual(agentConfig(undefined, {}).storage, { keep: true, bytes: 33_554_432 });
  const text = '[storage]\nkeep = false\nbytes = 8_000_000\n';
  t.deepEqual(agentConfig(file(text), {}).storage, { keep: false, bytes: 8_000_000 });
  for (const line of ['bytes = 1000', 'bytes = "32M"', 'keep = 1', 'path = "/srv"'])
    t.throws(() => agentConfig(file(`[storage]\n${line}\n`), {}), {
      instanceOf: ConfigError,
      message: /config\.toml:2: /,
    });
});
