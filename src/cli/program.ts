import { Command } from 'commander';
import { authorityCommand } from './authority.ts';
import { contactsCommand } from './contacts.ts';
import { createCommand } from './create.ts';
import { decodeCommand } from './decode.ts';
import { doctorCommand } from './doctor.ts';
import { downCommand } from './down.ts';
import { initCommand } from './init.ts';
import { grantCommand } from './grant.ts';
import { inviteCommand } from './invite.ts';
import { joinCommand } from './join.ts';
import { leaveCommand } from './leave.ts';
import { membersCommand } from './members.ts';
import { netcheckCommand } from './netcheck.ts';
import { numbersCommand } from './numbers.ts';
import { overlayCommand } from './overlay.ts';
import { phonesCommand } from './phones.ts';
import { pingCommand } from './ping.ts';
import { renameCommand } from './rename.ts';
import { resolveCommand } from './resolve.ts';
import { revokeCommand } from './revoke.ts';
import { statusCommand } from './status.ts';
import { ticketsCommand } from './tickets.ts';
import { upCommand } from './up.ts';
import { voicemailCommand } from './voicemail.ts';
import { VERSION } from '../base/version.ts';

/*
 * Commands are declared here and in their files without what they need to run: each imports that in its action, so that
 * `idloc status` loads neither certificates nor schemas.
 */
export function idlocProgram(): Command {
  const program = new Command('idloc')
    .description('one permanent address for every host: found through a peer-to-peer overlay, kept across networks')
    .version(VERSION, '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const command of [
    initCommand(),
    upCommand(),
    createCommand(),
    joinCommand(),
    leaveCommand(),
    inviteCommand(),
    ticketsCommand(),
    overlayCommand(),
    membersCommand(),
    grantCommand(),
    revokeCommand(),
    renameCommand(),
    authorityCommand(),
    contactsCommand(),
    phonesCommand(),
    numbersCommand(),
    voicemailCommand(),
    statusCommand(),
    pingCommand(),
    netcheckCommand(),
    doctorCommand(),
    resolveCommand(),
    decodeCommand(),
    downCommand(),
  ]) {
    for (const each of [command, ...command.commands]) each.copyInheritedSettings(program);
    program.addCommand(command);
  }
  return program;
}
