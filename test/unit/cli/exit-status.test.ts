import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { EXIT, exitStatusOf } from '../../../src/cli/exit-status.ts';
import { ConfigError } from '../../../src/config/errors.ts';
import { EnrollmentError, KeyStoreError, StateWriteError, TicketError } from '../../../src/identity/errors.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** Every code that an error has, and whether another start may help. */
const MEMBERSHIP = [
  'bad_certificate',
  'bad_overlay_configuration',
  'bad_state',
  'bad_ticket',
  'broken_state',
  'enrollment_refused',
  'revoked',
];
const CONFIGURATION = [
  'EACCES',
  'EPERM',
  'bad_config',
  'bad_mtu',
  'bad_overlay',
  'bad_socket',
  'bad_stream',
  'bad_tun_name',
  'bad_user',
  'dns_listen',
  'no_addon',
  'no_privilege',
  'other_overlay',
];
/** Of a start that may be well the next time: somebody else has it, nobody answers, no room, a module that is not loaded yet, a bug. */
const FOR_THE_MOMENT = [
  'ENODEV',
  'EADDRINUSE',
  'EUNKNOWN',
  'already_running',
  'bad_credentials',
  'enrollment_timeout',
  'enrollment_unavailable',
  'internal',
  'no_control_socket',
  'no_device',
  'no_netlink',
  'no_poll',
  'no_port',
  'no_socket',
  'no_tun',
  'no_wake',
  'port_in_use',
  'state_busy',
  'state_in_use',
  'state_unwritable',
  'stopped',
  'tun_busy',
  'tun_lost',
];
/** Of a command, which is not started again by itself. */
const OF_COMMANDS = [
  'ambiguous_contact',
  'ambiguous_ticket',
  'bad_address',
  'bad_answer',
  'bad_name',
  'bad_number',
  'bad_params',
  'bad_passphrase',
  'bad_recording',
  'bad_request',
  'bad_target',
  'busy',
  'cannot_read',
  'cannot_write',
  'connection_failed',
  'connection_lost',
  'emergency_number',
  'empty',
  'file_exists',
  'file_too_large',
  'interrupted',
  'mail_broken',
  'mail_quota',
  'mail_unavailable',
  'mailbox_full',
  'malformed_message',
  'name_taken',
  'no_address',
  'no_answer',
  'no_authority',
  'no_certificate',
  'no_contacts',
  'no_mailbox',
  'no_overlay',
  'no_passphrase',
  'no_permission',
  'no_program',
  'no_right',
  'no_secret',
  'no_such_contact',
  'no_such_file',
  'no_such_member',
  'no_such_message',
  'no_such_name',
  'no_such_number',
  'no_such_ticket',
  'no_text',
  'no_trunk',
  'not_found',
  'not_joined',
  'not_running',
  'number_taken',
  'only_inviter',
  'outbox_full',
  'overlay_error',
  'own_address',
  'own_host',
  'program_failed',
  'recording_expired',
  'too_many_contacts',
  'too_many_files',
  'too_many_numbers',
  'unknown_method',
  'unreachable',
  'unreadable',
  'username_not_available',
];

/** The codes that stand in the sources, of TypeScript and of the addon. */
function codesInSources(): Set<string> {
  const found = new Set<string>();
  for (const [folder, ending, patterns] of [
    [
      'src',
      '.ts',
      [/\bIdlocError\(\s*'(\w+)'/g, /\bsuper\([^;]*?'([a-z]+_[a-z_]+)'/g, /\bKeyStoreError\([^;]*, '(\w+)'\)/g],
    ],
    [
      'native/src',
      '.cc',
      [/\breturn \{(?:[^"{};]*\? )?"(\w+)"(?:,| :)/g, /\bThrowError\(env, \{"(\w+)"/g, /\? "(E\w+)"/g],
    ],
  ] as const)
    for (const path of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith(ending)) continue;
      const text = readFileSync(join(ROOT, folder, path), 'utf8');
      for (const pattern of patterns) for (const [, code = ''] of text.matchAll(pattern)) found.add(code);
    }
  return found;
}

test('every code of an error is in one class: a new one is to be put into it', (t) => {
  const classes = [MEMBERSHIP, CONFIGURATION, FOR_THE_MOMENT, OF_COMMANDS].flat();
  t.is(new Set(classes).size, classes.length, 'none is in two');
  t.deepEqual(
    [...codesInSources()].filter((code) => !classes.includes(code)),
    [],
  );
});

for (const [status, codes] of [
  [EXIT.membership, MEMBERSHIP],
  [EXIT.configuration, CONFIGURATION],
  [EXIT.failed, [...FOR_THE_MOMENT, ...OF_COMMANDS]],
] as const)
  test(`the process ends with ${status} after each error of that class`, (t) => {
    for (const code of codes) t.is(exitStatusOf(new IdlocError(code, 'what, why, what to do')), status, code);
  });

test('what stays wrong until somebody changes something has a status of its own', (t) => {
  t.is(exitStatusOf(new ConfigError('config.toml:1: no such setting')), 78);
  t.is(exitStatusOf(new TicketError('the ticket has expired')), 77);
  t.is(exitStatusOf(new EnrollmentError('failed_authentication', 'the ticket was used by another host')), 77);
  t.is(exitStatusOf(new KeyStoreError('identity.pem is broken')), 77);
  t.is(exitStatusOf(new IdlocError('EACCES', 'cannot accept streams at port 443')), 78);
});

test('what may be well the next time is status 1: nobody answered, a full disk, a bug', (t) => {
  t.is(exitStatusOf(new IdlocError('enrollment_timeout', 'nobody let us in')), 1);
  t.is(exitStatusOf(new IdlocError('port_in_use', 'the port is taken')), 1);
  t.is(exitStatusOf(new StateWriteError('identity.pem cannot be written: no space')), 1);
  t.is(exitStatusOf(new EnrollmentError('cannot_write', 'cannot write: no space')), 1);
  t.is(exitStatusOf(new TypeError('a bug')), 1);
});

test('the service is not started again after bad usage and permanent errors', (t) => {
  const unit = readFileSync(new URL('../../../systemd/idloc.service', import.meta.url), 'utf8');
  const prevented = /^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]?.split(' ').map(Number);
  t.deepEqual(prevented, [EXIT.usage, EXIT.membership, EXIT.configuration]);
});
