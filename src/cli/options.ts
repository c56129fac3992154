import { InvalidArgumentError, Option } from 'commander';
import { CERTIFICATE_LIFETIME_S } from '../base/certificate-lifetime.ts';
import { DEFAULT_SOCKET } from '../control/constants.ts';

export const DEFAULT_STATE = '/var/lib/idloc';
export const DEFAULT_CONFIG = '/etc/idloc/config.toml';

/** For every command that talks to the running agent. */
export function socketOption(): Option {
  return new Option('--socket <path>', "the agent's control socket").default(DEFAULT_SOCKET).env('IDLOC_SOCKET');
}

export function jsonOption(): Option {
  return new Option('--json', 'one JSON object on stdout');
}

/** For a new overlay. */
export function rendezvousOption(): Option {
  return new Option(
    '--rendezvous <place>',
    "where members of the new overlay find each other beside the LAN: mainline is BitTorrent's DHT, whose nodes see their addresses",
  ).choices(['none', 'mainline']);
}

/** A parser for whole numbers in a range. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** `90s`, `15m`, `24h`, `7d`, or seconds. */
export function duration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text);
  const seconds = Number(match?.[1]) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? ''] ?? 1);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new InvalidArgumentError('It must be a time such as 15m, 24h or 7d.');
  return seconds;
}

/** How long certificates are to live, in seconds. */
export function certificateLifetime(text: string): number {
  const seconds = duration(text);
  const { min, max } = CERTIFICATE_LIFETIME_S;
  if (seconds < min || seconds > max) throw new InvalidArgumentError('It must be between 1 min and 20 years (7300d).');
  return seconds;
}
