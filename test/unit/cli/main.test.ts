import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { formatStatus } from '../../../src/cli/format-status.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ControlServer } from '../../../src/control/control-server.ts';
import type { ControlHandlers } from '../../../src/control/schemas.ts';
import {
  exampleMember,
  exampleDoctor,
  exampleNetcheck,
  exampleOverlay,
  exampleStatus,
  exampleTicket,
} from '../control/example-status.ts';
import { runIdloc } from './run-idloc.ts';

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** An agent as far as its control socket shows it. */
async function startAgent(t: ExecutionContext, changed: Partial<ControlHandlers> = {}) {
  const path = join(folder(t), 'idloc.sock');
  const asked: string[] = [];
  const handlers: ControlHandlers = {
    status: () => exampleStatus,
    invite: (params) => {
      asked.push(JSON.stringify(params));
      return { ticket: 'idloc1ticket', id: exampleTicket.id };
    },
    tickets: () => ({ tickets: [exampleTicket] }),
    withdraw: ({ id }) => {
      asked.push(`withdraw ${id}`);
      return { withdrawn: exampleTicket };
    },
    ping: ({ target, count }) => ({
      target,
      hit: '2001:20::b0b',
      rttMs: new Array<number | null>(count ?? 0).fill(null),
      path: null,
      direct: false,
      why: 'no answer',
    }),
    netcheck: () => exampleNetcheck,
    doctor: () => exampleDoctor,
    resolve: ({ target }) => {
      throw new IdlocError('no_such_name', `${target}: nobody has that name: check how it is written`);
    },
    members: () => ({ members: [exampleMember], missing: 0 }),
    grant: ({ target }) => {
      asked.push(`grant ${target}`);
      return { granted: [{ hit: exampleMember.hit, user: exampleMember.user }] };
    },
    revoke: ({ target }) => {
      asked.push(`revoke ${target}`);
      return { revoked: [{ hit: exampleMember.hit, user: exampleMember.user }], tickets: 2 };
    },
    rename: ({ target, name }) => {
      asked.push(`rename ${target} ${name}`);
      return { renamed: [{ hit: exampleMember.hit, user: `${name}@home.example` }] };
    },
    overlay: ({ rendezvous = 'none', certificateLifetimeS = 365 * 86_400 }) => {
      const changed = rendezvous !== 'none' || certificateLifetimeS !== 365 * 86_400;
      return { ...exampleOverlay, rendezvous, certificateLifetimeS, changed };
    },
    counters: () => ({}),
    voicemail: () => ({ messages: [], problem: null }),
    readVoicemail: ({ id }) => ({ id, ogg: '' }),
    markVoicemailHeard: () => ({}),
    removeVoicemail: ({ ids }) => ({ removed: ids }),
    contacts: () => ({ contacts: [], problem: null }),
    phoneFiles: () => ({ files: [], problem: null }),
    readPhoneFile: ({ name }) => ({ name, bytes: 0, savedAt: 0, content: '' }),
    savePhoneFile: ({ name }) => ({ name, bytes: 0, savedAt: 0, problem: null }),
    removePhoneFiles: ({ names }) => ({ removed: names, problem: null }),
    numbers: () => ({ numbers: [] }),
    assignNumber: (asked) => asked,
    releaseNumber: ({ number }) => ({ number, member: 'bob' }),
    changeContacts: ({ put, remove }) => ({ put: put.length, removed: remove.length }),
    join: ({ ticket }) => {
      asked.push(`join ${ticket}`);
      return { overlay: 'home.example', hit: exampleStatus.hit, name: 'bob.home.example', changed: true };
    },
    create: ({ overlay, rendezvous = 'none' }) => {
      const changed = overlay === 'new.example';
      return { overlay, hit: exampleStatus.hit, name: null, changed, rendezvous };
    },
    leave: ({ force }) => {
      asked.push(`leave ${String(force)}`);
      return { overlay: 'home.example', files: '/state/left-home.example', givenBack: false };
    },
    exportAuthority: ({ passphrase }) => {
      asked.push(`export ${passphrase}`);
      return { overlay: 'home.example', text: 'sealed\n' };
    },
    importAuthority: ({ text, passphrase }) => {
      asked.push(`import ${text.trim()} ${passphrase}`);
      return { overlay: 'home.example', hit: exampleStatus.hit, name: 'x.home.example', changed: true };
    },
    down: () => {
      asked.push('down');
      return {};
    },
    ...changed,
  };
  const server = new ControlServer({ handlers, logger: silentLogger, report: () => {} }, { path });
  await server.start();
  t.teardown(() => server.stop());
  return { path, asked };
}

test('no command at all shows the commands on stderr: bad usage', async (t) => {
  const { status, stdout, stderr } = await runIdloc([]);
  t.is(status, 2);
  t.is(stdout, '');
  t.regex(stderr, /^Usage: idloc/);
  for (const name of [
    'init',
    'up',
    'invite',
    'tickets',
    'overlay',
    'members',
    'grant',
    'revoke',
    'rename',
    'contacts',
    'phones',
    'numbers',
    'status',
    'ping',
    'resolve',
    'decode',
    'down',
  ]) {
    t.regex(stderr, new RegExp(`^  ${name} `, 'm'));
  }
});

test('help and version are what was asked for: stdout, status 0', async (t) => {
  const help = await runIdloc(['--help']);
  t.is(help.status, 0);
  t.regex(help.stdout, /^Usage: idloc/);
  const version = await runIdloc(['--version']);
  t.is(version.status, 0);
  t.regex(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

for (const args of [
  ['fly'],
  ['status', '--fast'],
  ['status', 'extra'],
  ['ping'],
  ['ping', 'bob', '--count', '0'],
  ['ping', 'bob', '--count', '1e2'],
  ['invite', '--expires', 'tomorrow'],
  ['up', '--listen', '65536'],
  ['up', '--join', 'x', '--create', 'home.example'],
  ['up', '--log', 'loud'],
  ['decode', '--port', '0', '-'],
  ['authority', 'export'],
  ['contacts', 'add', 'Bob'],
  ['phones', 'save', 'accounts'],
  ['phones', 'remove'],
  ['numbers', 'assign', '+49301234567'],
  ['numbers', 'release'],
]) {
  test(`"${args.join(' ')}" is bad usage: one line on stderr, status 2`, async (t) => {
    const { status, stdout, stderr } = await runIdloc(args);
    t.is(status, 2, stderr);
    t.is(stdout, '');
    t.regex(stderr, /^idloc: bad usage: .+: see `idloc [a-z ]*--help`\n$/);
  });
}

for (const args of [
  ['status'],
  ['invite'],
  ['tickets'],
  ['tickets', '--withdraw', '0123abcd'],
  ['ping', 'bob'],
  ['resolve', 'bob'],
  ['join', 'ticket'],
  ['create', 'home.example'],
  ['leave'],
  ['down'],
]) {
  test(`"${args.join(' ')}" without an agent says how to start it, status 1`, async (t) => {
    const path = join(folder(t), 'none.sock');
    const { status, stdout, stderr } = await runIdloc([...args, '--socket', path]);
    t.is(status, 1);
    t.is(stdout, '');
    t.is(stderr, `idloc: idloc is not running (no socket at ${path}): start it with \`idloc up --socket ${path}\`\n`);
  });
}

test('the status is one JSON object, or a block for a person', async (t) => {
  const { path } = await startAgent(t);
  const json = await runIdloc(['status', '--json', '--socket', path]);
  t.is(json.status, 0);
  t.deepEqual(JSON.parse(json.stdout), exampleStatus);
  const block = await runIdloc(['status', '--socket', path]);
  t.is(block.status, 0);
  t.is(block.stdout, `${formatStatus(exampleStatus)}\n`);
});

test('joining, creating and leaving say where the host is now', async (t) => {
  const { path, asked } = await startAgent(t);
  const joined = await runIdloc(['join', 'idloc1.ticket', '--socket', path]);
  t.is(joined.stdout, 'in home.example as bob.home.example, 2001:20::b0b\n');
  const created = await runIdloc(['create', 'home.example', '--socket', path]);
  t.is(created.stdout, 'already in home.example as (no name), 2001:20::b0b\n');
  const unasked = await runIdloc(['create', 'new.example', '--socket', path]);
  t.regex(unasked.stderr, /^rendezvous is off: .*`idloc overlay --rendezvous mainline`.*\n$/);
  const told = await runIdloc(['create', 'new.example', '--rendezvous', 'none', '--socket', path]);
  t.is(told.stderr, '');
  const left = await runIdloc(['leave', '--force', '--socket', path, '--json']);
  t.like(JSON.parse(left.stdout), { overlay: 'home.example', files: '/state/left-home.example', givenBack: false });
  t.is(left.stderr.split('\n').length, 2);
  t.regex(left.stderr, /^not all who let hosts in could be told: /);
  t.deepEqual(asked, ['join idloc1.ticket', 'leave true']);
});

test('the status of a host in no overlay says how to get into one', (t) => {
  const text = formatStatus({ ...exampleStatus, overlay: null, name: null, state: 'left', links: [] });
  t.regex(text, /^overlay +none: `idloc join TICKET`, or `idloc create OVERLAY`$/m);
});

test('an invitation is the ticket alone, with what was asked for', async (t) => {
  const { path, asked } = await startAgent(t);
  const { status, stdout } = await runIdloc([
    ...['invite', '--user', 'alice', '--expires', '2h', '--uses', '3', '--socket', path],
  ]);
  t.is(status, 0);
  t.is(stdout, 'idloc1ticket\n');
  t.deepEqual(
    asked.map((line) => JSON.parse(line) as unknown),
    [{ user: 'alice', expiresS: 7200, uses: 3 }],
  );
});

test('an invitation as JSON has the name of the ticket too; tickets shows those that are open, and withdraws one', async (t) => {
  const { path, asked } = await startAgent(t);
  const at = ['--socket', path];
  t.deepEqual(JSON.parse((await runIdloc(['invite', '--json', ...at])).stdout), {
    ticket: 'idloc1ticket',
    id: exampleTicket.id,
    warning: null,
  });
  const shown = await runIdloc(['tickets', ...at]);
  t.is(shown.status, 0);
  t.regex(shown.stdout, /^TICKET +FOR +USES LEFT +MADE +EXPIRES$/m);
  t.regex(shown.stdout, /^0123abcd +alice@home\.example +47 of 50 +\S.* ago +\S.* left$/m);
  t.deepEqual(JSON.parse((await runIdloc(['tickets', '--json', ...at])).stdout), { tickets: [exampleTicket] });
  const withdrawn = await runIdloc(['tickets', '--withdraw', '0123abcd', ...at]);
  t.is(withdrawn.stdout, `${exampleTicket.id}  alice@home.example  withdrawn\n`);
  t.deepEqual(asked, ['{}', 'withdraw 0123abcd']);
});

test('without an open ticket there is nothing on stdout, and stderr says how to make one', async (t) => {
  const { path } = await startAgent(t, { tickets: () => ({ tickets: [] }) });
  const { status, stdout, stderr } = await runIdloc(['tickets', '--socket', path]);
  t.deepEqual([status, stdout], [0, '']);
  t.regex(stderr, /idloc invite/);
});

test('a ping without any answer fails, and says what it knows', async (t) => {
  const { path } = await startAgent(t);
  const { status, stdout } = await runIdloc(['ping', 'bob', '-c', '2', '--socket', path]);
  t.is(status, 1);
  t.regex(stdout, /2 sent, 0 received, 100 % lost/);
});

test('an error of the agent is one line on stderr', async (t) => {
  const { path } = await startAgent(t);
  const { status, stdout, stderr } = await runIdloc(['resolve', 'eve', '--socket', path]);
  t.is(status, 1);
  t.is(stdout, '');
  t.is(stderr, 'idloc: eve: nobody has that name: check how it is written\n');
});

test('down asks the agent to stop and says nothing', async (t) => {
  const { path, asked } = await startAgent(t);
  const { status, stdout, stderr } = await runIdloc(['down', '--socket', path]);
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  t.deepEqual(asked, ['down']);
});

test('init makes one identity that only its owner can read, and keeps it', async (t) => {
  const state = join(folder(t), 'state');
  const first = await runIdloc(['init', '--state', state]);
  t.is(first.status, 0, first.stderr);
  t.regex(first.stdout, /^2001:2[0-9a-f]:[0-9a-f:]+\n$/);
  for (const name of readdirSync(state)) t.is(statSync(join(state, name)).mode & 0o077, 0, name);
  const second = await runIdloc(['init', '--state', state, '--json']);
  t.is(second.status, 0);
  t.like(JSON.parse(second.stdout), { hit: first.stdout.trim(), made: false });
});

test('init leaves a broken key as it is and says what to do', async (t) => {
  const state = folder(t);
  writeFileSync(join(state, 'identity.pem'), 'no key\n', { mode: 0o600 });
  const { status, stderr } = await runIdloc(['init', '--state', state]);
  t.is(status, 77);
  t.regex(stderr, /^idloc: .*identity\.pem is broken .*restore it from a backup.*\n$/);
});

test('decode of what is no RELOAD message gives offset and reason, status 1', async (t) => {
  const { status, stdout, stderr } = await runIdloc(['decode', '-'], '00ff\nd2454c4f\n');
  t.is(status, 1);
  const lines = stdout.trim().split('\n');
  t.is(lines.length, 2);
  for (const line of lines) {
    const { offset, reason } = JSON.parse(line) as { offset: unknown; reason: unknown };
    t.is(typeof offset, 'number');
    t.is(typeof reason, 'string');
  }
  t.regex(stderr, /^idloc: -: line 1: malformed at offset \d+: /);
});

test('decode of a file that is not there, or empty, is one line', async (t) => {
  const absent = await runIdloc(['decode', join(folder(t), 'none')]);
  t.is(absent.status, 1);
  t.regex(absent.stderr, /^idloc: .*ENOENT.*: give a file that can be read, or - for stdin\n$/);
  const empty = await runIdloc(['decode', '-'], '# nothing\n');
  t.is(empty.status, 1);
  t.regex(empty.stderr, /^idloc: -: no RELOAD message in it: .*\n$/);
});

test('up with a broken configuration is one line with the place, status 78', async (t) => {
  const config = join(folder(t), 'config.toml');
  writeFileSync(config, 'name = "x"\nspeed = 3\n');
  const { status, stdout, stderr } = await runIdloc(['up', '--config', config]);
  t.is(status, 78);
  t.is(stdout, '');
  t.regex(stderr, /^idloc: .*config\.toml:2: speed: .*\n$/);
});

test('up that cannot go on ends with its status, whatever is still open in the process', async (t) => {
  const taken = createSocket('udp6');
  t.teardown(() => taken.close());
  await new Promise<void>((resolve) => taken.bind(0, '::', resolve));
  const at = folder(t);
  const config = join(at, 'config.toml');
  writeFileSync(config, '');
  const left =
    'process.once("exit",()=>console.error("left:",process.getActiveResourcesInfo()));setInterval(()=>{},1000)';
  const { status, stderr } = await runIdloc(
    [
      ...['up', '--config', config, '--no-tun', '--listen', String(taken.address().port)],
      ...['--state', join(at, 'state'), '--socket', join(at, 'sock'), '--create', 'x.example'],
    ],
    '',
    { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(left)}` },
  );
  t.is(status, 1);
  t.regex(stderr, /^idloc: .*port/m);
  t.regex(stderr, /^left: .*Timeout/m);
});

test('members shows who belongs to the overlay, for people and as JSON', async (t) => {
  const { path } = await startAgent(t);
  const shown = await runIdloc(['members', '--socket', path]);
  t.is(shown.status, 0);
  t.regex(shown.stdout, /alice@home\.example +2001:20::a11c +client, inviter +now/);
  const json = await runIdloc(['members', '--json', '--socket', path]);
  t.deepEqual(JSON.parse(json.stdout), { members: [exampleMember], missing: 0 });
});

test('overlay shows what all members agree on, and changes it; turning Mainline on says that it sees members', async (t) => {
  const { path } = await startAgent(t);
  const at = ['--socket', path];
  const shown = await runIdloc(['overlay', ...at]);
  t.is(shown.status, 0);
  t.regex(
    shown.stdout,
    /^overlay +home\.example\ndocument +number 7\nrendezvous +none: members meet on the LAN alone$/m,
  );
  t.regex(shown.stdout, /^certificates +live 365 d, /m);
  t.is(shown.stderr, '');
  const { stdout, stderr } = await runIdloc(['overlay', '--rendezvous', 'mainline', '--json', ...at]);
  t.like(JSON.parse(stdout), { rendezvous: 'mainline', changed: true });
  t.regex(stderr, /BitTorrent's public DHT.*published\nthere unencrypted/s);
  const shorter = await runIdloc(['overlay', '--certificate-lifetime', '90d', ...at]);
  t.regex(shorter.stdout, /^document +number 7, just made$/m);
  t.regex(shorter.stdout, /^certificates +live 90 d, /m);
  t.is(shorter.stderr, '');
  for (const wrong of [
    ['--rendezvous', 'everywhere'],
    ['--certificate-lifetime', 'soon'],
    ['--ipv4-prefix', '10.0.0.0/8'],
  ])
    t.is((await runIdloc(['overlay', ...wrong, ...at])).status, 2, wrong[0]);
  const short = await runIdloc(['overlay', '--certificate-lifetime', '59s', ...at]);
  t.is(short.status, 2);
  t.regex(short.stderr, /^idloc: .*between 1 min and 20 years.*\n$/);
});

test('grant, revoke and rename say what they have changed; a right that is not known is bad usage', async (t) => {
  const { path, asked } = await startAgent(t);
  const at = ['--socket', path];
  t.regex(
    (await runIdloc(['grant', 'alice', 'invite', ...at])).stdout,
    /^2001:20::a11c {2}alice@home\.example {2}may invite$/m,
  );
  const revoked = await runIdloc(['revoke', 'alice', ...at]);
  t.regex(revoked.stdout, /^2001:20::a11c {2}alice@home\.example {2}revoked$/m);
  t.regex(revoked.stderr, /^2 tickets with uses left end too, .*`idloc tickets`/);
  t.regex((await runIdloc(['rename', 'alice', 'anna', ...at])).stdout, /^2001:20::a11c {2}anna@home\.example$/m);
  t.deepEqual(asked, ['grant alice', 'revoke alice', 'rename alice anna']);
  t.is((await runIdloc(['grant', 'alice', 'fly', ...at])).status, 2);
});

test('authority export writes a new file for its owner alone, import reads it; the passphrase comes from standard input', async (t) => {
  const { path, asked } = await startAgent(t);
  const file = join(folder(t), 'authority.pem');
  const exported = await runIdloc(['authority', 'export', file, '--socket', path], 'a long passphrase\n');
  t.is(exported.status, 0, exported.stderr);
  t.is(statSync(file).mode & 0o777, 0o600);
  const again = await runIdloc(['authority', 'export', file, '--socket', path], 'a long passphrase\n');
  t.is(again.status, 1);
  t.regex(again.stderr, /is there already/);
  const imported = await runIdloc(['authority', 'import', file, '--socket', path, '--json'], 'a long passphrase\n');
  t.is(imported.status, 0, imported.stderr);
  t.is((JSON.parse(imported.stdout) as { overlay: string }).overlay, 'home.example');
  t.deepEqual(asked, ['export a long passphrase', 'import sealed a long passphrase']);
  const silent = await runIdloc(['authority', 'import', file, '--socket', path]);
  t.regex(silent.stderr, /no passphrase/);
});
