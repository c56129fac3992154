import { IdlocError } from '../base/errors.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ControlHandlers } from '../control/schemas.ts';
import { isUserOf } from '../identity/names.ts';
import { assignableNumber } from '../sip/numbers.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import type { NumberBook } from './number-book.ts';

export interface NumberOperationsComponents {
  readonly engine: Pick<Engine, 'membership' | 'holdersOf' | 'numbersChanged' | 'isNumberStored'>;
  readonly driver: Pick<Driver, 'run'>;
  readonly config: { readonly sip: Pick<AgentConfig['sip'], 'numbers' | 'trunk'> };
  /** Undefined: this host is no gateway. */
  readonly numbers: NumberBook | undefined;
}

type Handlers = Pick<ControlHandlers, 'numbers' | 'assignNumber' | 'releaseNumber'>;

/** What local clients may ask of a gateway about the numbers of members. */
export function numberHandlers(agent: NumberOperationsComponents): Handlers {
  const { engine, driver, config } = agent;
  const written = (): ReadonlyMap<string, string> => config.sip.trunk?.numbers ?? new Map();
  return {
    numbers: () => {
      const { assigned } = bookOf(agent);
      const settings = [...written()].filter(([number]) => !assigned.has(number));
      return {
        numbers: [
          ...[...assigned].map(([number, member]) => ({
            ...{ number, member, from: 'command' as const, published: engine.isNumberStored(number) },
          })),
          ...settings.map(([number, member]) => ({ number, member, from: 'settings' as const, published: false })),
        ],
      };
    },
    assignNumber: async ({ number: text, member }) => {
      const book = bookOf(agent);
      const number = readable(agent, text);
      const { label, user } = memberOf(agent, member);
      const holder = book.assigned.get(number);
      if (holder !== undefined && holder !== label)
        throw new IdlocError(
          'number_taken',
          `${number} is ${holder}'s: \`idloc numbers release ${number}\` takes it away`,
        );
      const inSettings = written().get(number);
      if (inSettings !== undefined && inSettings !== label)
        throw new IdlocError('number_taken', `${number} is ${inSettings}'s: so it is written in sip.trunk.numbers`);
      const hosts = await new Promise<readonly unknown[] | undefined>((resolve) => {
        driver.run((now) => engine.holdersOf(user, now, resolve));
      });
      if (hosts === undefined || hosts.length === 0)
        throw new IdlocError('no_such_member', `${member}: no member of that name: \`idloc members\` shows all`);
      book.assign(number, label);
      driver.run((now) => engine.numbersChanged(now));
      return { number, member: label };
    },
    releaseNumber: ({ number: text }) => {
      const book = bookOf(agent);
      const number = readable(agent, text);
      const member = book.assigned.get(number);
      if (member === undefined)
        throw new IdlocError(
          'no_such_number',
          written().has(number)
            ? `${number} is written in sip.trunk.numbers: take it out there`
            : `${number} is not given to anybody: \`idloc numbers\` shows all`,
        );
      book.release(number);
      driver.run((now) => engine.numbersChanged(now));
      return { number, member };
    },
  };
}

function bookOf({ numbers }: NumberOperationsComponents): NumberBook {
  numbers?.check();
  if (numbers !== undefined) return numbers;
  throw new IdlocError(
    'no_trunk',
    'this host is no gateway: numbers are given to members on a host with [sip.trunk] in its configuration',
  );
}

/** E.164. */
function readable({ config }: NumberOperationsComponents, text: string): string {
  const read = assignableNumber(text, config.sip.numbers ?? {});
  if (read?.isEmergency === true)
    throw new IdlocError('emergency_number', `${text} calls for help: it is nobody's, and always goes to the provider`);
  if (read === undefined)
    throw new IdlocError(
      'bad_number',
      `${text} is no telephone number: write it with its country, such as +49301234567, or set sip.country`,
    );
  return read.number;
}

/** `bob` and `bob@home.example` are one. */
function memberOf(
  { engine }: NumberOperationsComponents,
  member: string,
): { readonly label: string; readonly user: string } {
  const { overlay } = engine.membership.configuration;
  const name = member.toLowerCase();
  const user = name.includes('@') ? name : `${name}@${overlay}`;
  if (!isUserOf(user, overlay))
    throw new IdlocError('no_such_member', `${member}: no user of ${overlay}: \`idloc members\` shows all`);
  return { label: user.slice(0, -overlay.length - 1), user };
}
