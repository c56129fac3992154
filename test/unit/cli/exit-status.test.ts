import { readFileSync } from 'node:fs';
import test from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { EXIT, exitStatusOf } from '../../../src/cli/exit-status.ts';
import { ConfigError } from '../../../src/config/errors.ts';
import { EnrollmentError, KeyStoreError, StateWriteError, TicketError } from '../../../src/identity/errors.ts';

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
