import { Command } from 'commander';
import type { ContactEntry } from '../control/schemas.ts';
import { IdlocError } from '../base/errors.ts';
import { jsonOption, socketOption } from './options.ts';
import { note, print, printJson } from './output.ts';

interface Options {
  readonly socket: string;
  readonly json?: boolean;
}

/** Of one request; as the agent takes them. */
const CONTACTS_PER_REQUEST = 200;

/** The user's address book, on all hosts of the user. */
export function contactsCommand(): Command {
  return new Command('contacts')
    .description("the user's address book, encrypted in the overlay for the hosts of the user")
    .addCommand(listCommand(), { isDefault: true })
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(importCommand())
    .addCommand(exportCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('names, and what to call them by')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { contacts, problem } = await fetched(options);
      if (options.json === true) {
        printJson({ contacts, problem });
        return;
      }
      const { table } = await import('./format.ts');
      const rows = contacts.map(({ name, addresses }) => [name, addresses.join('  ')]);
      if (rows.length > 0) print(table([['NAME', 'ADDRESSES'], ...rows]).join('\n'));
      else note('there are no contacts: `idloc contacts add NAME ADDRESS`, or `idloc contacts import FILE.vcf`');
      if (problem !== null) note(problem);
    });
}

function addCommand(): Command {
  return new Command('add')
    .description('a contact, or more addresses of one')
    .argument('<name>', 'such as "Bob Meier"')
    .argument('<addresses...>', 'bob@home.example, sip:bob@home.example or +49 30 123')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (name: string, given: readonly string[], options: Options) => {
      const { addressOf, newCard, withAddresses } = await import('./vcard.ts');
      const addresses = given.map((text) => {
        const address = addressOf(text);
        if (address !== undefined) return address;
        throw new IdlocError('bad_address', `${text}: nothing to call: give bob@home.example, or +4930123`);
      });
      const { contacts } = await fetched(options);
      const known = contacts.filter((contact) => contact.name === name);
      if (known.length > 1) throw ambiguous(name, known.length);
      const [before] = known;
      const contact = before === undefined ? newCard(name, addresses) : withAddresses(before, addresses);
      await change(options, [contact], []);
      if (options.json === true) printJson({ contact });
      else print(`${contact.name}  ${contact.addresses.join('  ')}`);
    });
}

function removeCommand(): Command {
  return new Command('remove')
    .description('takes a contact out, on all hosts of the user')
    .argument('<who>', 'its name, one of its addresses, or its UID')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (who: string, options: Options) => {
      const { addressOf } = await import('./vcard.ts');
      const { contacts } = await fetched(options);
      const address = addressOf(who);
      const meant = contacts.filter(
        ({ uid, name, addresses }) =>
          uid === who || name === who || (address !== undefined && addresses.includes(address)),
      );
      const [contact] = meant;
      if (contact === undefined)
        throw new IdlocError('no_such_contact', `${who}: no contact: \`idloc contacts\` shows all`);
      if (meant.length > 1) throw ambiguous(who, meant.length);
      await change(options, [], [contact.uid]);
      if (options.json === true) printJson({ removed: contact });
      else print(`${contact.name}  removed`);
    });
}

function importCommand(): Command {
  return new Command('import')
    .description('contacts of a vCard file; those with the same UID are replaced')
    .argument('<file>', 'vCard 4.0 or 3.0, or - for stdin')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { readText } = await import('./read-text.ts');
      const { readCards } = await import('./vcard.ts');
      const { contacts, bad, leftOut } = readCards(await readText(file));
      if (contacts.length === 0) {
        const [first] = bad;
        const why = first === undefined ? 'no vCard in it' : `line ${first.line}: ${first.why}`;
        throw new IdlocError('no_contacts', `${file}: ${why}: give a file that an address book has exported`);
      }
      for (let at = 0; at < contacts.length; at += CONTACTS_PER_REQUEST)
        await change(options, contacts.slice(at, at + CONTACTS_PER_REQUEST), []);
      if (options.json === true) printJson({ imported: contacts.length, bad, leftOut });
      else print(`${contacts.length} contacts imported`);
      for (const { line, why } of bad) note(`${file}:${line}: left out: ${why}`);
      if (leftOut > 0) note(`${leftOut} pictures and the like left out`);
    });
}

function exportCommand(): Command {
  return new Command('export')
    .description('all contacts as vCards, on stdout')
    .addOption(socketOption())
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const { contacts } = await fetched(options);
      if (options.json === true) printJson({ cards: contacts.map(({ card }) => card) });
      else if (contacts.length > 0) print(contacts.map(({ card }) => card).join('\r\n'));
    });
}

async function fetched({ socket }: Options): Promise<{ contacts: ContactEntry[]; problem: string | null }> {
  const { request } = await import('../control/client.ts');
  return request(socket, 'contacts', {});
}

async function change({ socket }: Options, put: readonly ContactEntry[], remove: readonly string[]): Promise<void> {
  const { request } = await import('../control/client.ts');
  await request(socket, 'changeContacts', { put: [...put], remove: [...remove] });
}

function ambiguous(who: string, count: number): IdlocError {
  return new IdlocError('ambiguous_contact', `${who}: ${count} contacts: \`idloc contacts --json\` shows their UIDs`);
}
