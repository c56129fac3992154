import type { LinkStatus, Status } from '../control/schemas.ts';
import { formatBytes, formatDuration, formatMs, formatPath, table } from './format.ts';

/** The status for a person: a block of facts, then a line a link with its path and why it goes that way. */
export function formatStatus(status: Status): string {
  const facts: [string, string][] = [
    ...(status.problem === null ? [] : [['problem', status.problem] satisfies [string, string]]),
    ['name', status.name ?? '(none)'],
    ['hit', status.hit],
    ['ipv4', status.ipv4 ?? '(none yet)'],
    ['overlay', formatOverlay(status)],
    ['member', formatMembership(status)],
    ['listen', status.listen.join(', ')],
    ['nat', formatNat(status.nat)],
    ['mapped', formatMapping(status.portMapping)],
    ['meeting', formatRendezvous(status.rendezvous)],
    ['tun', formatTun(status)],
    ['dns', status.dns === null ? 'off' : status.dns.listen],
    ['sip', formatSip(status.sip)],
    ['agent', `${status.version}, up ${formatDuration(status.uptimeS)}, pid ${status.pid}`],
    ...formatClock(status.clock),
  ];
  const { unwritten } = status;
  if (unwritten.length > 0)
    facts.push(['disk', `cannot write (${unwritten.join(', ')}): make room; tried every minute`]);
  if (status.unexpectedErrors > 0) facts.push(['errors', `${status.unexpectedErrors} unexpected, see the log`]);
  const width = Math.max(...facts.map(([label]) => label.length));
  const lines = facts.map(([label, value]) => `${label.padEnd(width)}  ${value}`);
  const phones = formatPhones(status.sip);
  if (status.links.length === 0) return [...lines, ...phones, '', 'no links'].join('\n');
  const rows = status.links.map(linkRow);
  const links = table([['LINK', 'STATE', 'PATH', 'RTT', 'LOSS', 'RX', 'TX', 'WHY'], ...rows]);
  return [...lines, ...phones, '', ...links, ...formatPaths(status.links)].join('\n');
}

function formatTun({ tun, hit, ipv4 }: Status): string {
  if (tun === null) return 'none';
  const missing = [hit, ...(ipv4 === null ? [] : [ipv4])].filter((address) => !tun.addresses.includes(address));
  const without = missing.length === 0 ? '' : `, without ${missing.join(' and ')}`;
  return `${tun.name}, MTU ${tun.mtu}${tun.up ? '' : ', down'}${without}`;
}

function formatSip(sip: Status['sip']): string {
  if (sip === null) return 'off';
  const phones = sip.phones.length === 0 ? 'no phone is registered' : `phones: ${sip.phones.length}`;
  const trunk = sip.trunk === null ? '' : `; ${formatTrunk(sip.trunk)}`;
  return `port ${sip.port}, ${sip.listening ? phones : 'does not listen: see `idloc doctor sip`'}${trunk}`;
}

function formatTrunk({ domain, state, why }: NonNullable<NonNullable<Status['sip']>['trunk']>): string {
  switch (state) {
    case 'registered':
      return `registered at ${domain}`;
    case 'registering':
      return `registers at ${domain}`;
    case 'peer':
      return `peer of ${domain}`;
    case 'failed':
      return `nothing passes to ${domain}: ${why ?? ''}`;
  }
}

function formatPhones(sip: Status['sip']): string[] {
  if (sip === null || sip.phones.length === 0) return [];
  const rows = sip.phones.map(({ user, contact, transport, address, since, until }) => [
    user,
    contact,
    `${transport.toUpperCase()} from ${address}`,
    formatTime(since),
    formatTime(until),
  ]);
  return ['', ...table([['PHONE OF', 'CONTACT', 'BY', 'SINCE', 'UNTIL'], ...rows])];
}

/** UTC. */
function formatTime(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}

function formatOverlay({ overlay, state, role, why }: Status): string {
  if (state === 'left') return 'none: `idloc join TICKET`, or `idloc create OVERLAY`';
  const reason = why === undefined ? '' : `: ${why}`;
  return overlay === null ? `none yet, ${state}` : `${overlay}, ${state} as ${role}${reason}`;
}

function formatMembership({ membership: { state, lapsed, expires } }: Status): string {
  if (expires === null || state === 'revoked' || state === 'left') return state;
  const end = new Date(expires).toISOString().slice(0, 16).replace('T', ' ');
  if (lapsed) return `guest, the certificate ended ${end} UTC`;
  return state === 'renewing' ? `until ${end} UTC, asks for a new certificate` : `until ${end} UTC, renewed before`;
}

function formatRendezvous(rendezvous: Status['rendezvous']): string {
  if (rendezvous?.mode !== 'mainline') return 'none';
  return `mainline, ${rendezvous.nodes === 0 ? 'no node of it answers' : `${rendezvous.nodes ?? 0} nodes known`}`;
}

function linkRow(link: LinkStatus): string[] {
  return [
    link.name ?? link.hit,
    link.state,
    link.path === null ? '-' : formatPath(link.path),
    formatMs(link.rttMs),
    link.loss === null ? '-' : formatLoss(link.loss),
    formatBytes(link.rxBytes),
    formatBytes(link.txBytes),
    link.why ?? '',
  ];
}

/** Of links that have more than one. */
function formatPaths(links: readonly LinkStatus[]): string[] {
  const rows = links.flatMap(({ name, hit, paths = [] }) => {
    if (paths.length < 2) return [];
    return paths.map((path) => [
      name ?? hit,
      path.active ? 'in use' : path.state === 'valid' ? 'spare' : path.state,
      formatKeptPath(path),
      path.uplink ?? '-',
      formatMs(path.rttMs),
      formatLoss(path.loss),
    ]);
  });
  return rows.length === 0 ? [] : ['', ...table([['PATHS OF', 'STATE', 'PATH', 'UPLINK', 'RTT', 'LOSS'], ...rows])];
}

function formatKeptPath({ local, remote, via, over }: NonNullable<LinkStatus['paths']>[number]): string {
  if (via !== undefined) return `relay by ${via.name ?? via.hit}`;
  return `${over === undefined ? '' : `${over.toUpperCase()} `}${local} > ${remote}`;
}

function formatLoss(loss: number): string {
  return `${(loss * 100).toFixed(loss > 0 && loss < 0.1 ? 1 : 0)} %`;
}

function formatNat(nat: Status['nat']): string {
  if (nat.mapping === 'unknown') return 'not known yet';
  const seen = nat.mapped.length === 0 ? '' : `, seen as ${nat.mapped.join(', ')}`;
  return `${nat.mapping === 'none' ? 'none' : `${nat.mapping} mapping`}${seen}`;
}

/** What the router sends on to this host. */
export function formatMapping(mapping: Status['portMapping']): string {
  if (mapping === null) return 'off';
  if (mapping.state === 'asking') return 'asking the router';
  if (mapping.external === null) return `none: ${mapping.why ?? ''}`;
  return `${mapping.external}, by ${mapping.protocol ?? ''}`;
}

/** Only when it is wrong by more than a minute. */
function formatClock({ offsetS }: Status['clock']): [string, string][] {
  if (Math.abs(offsetS) <= 60) return [];
  const how = `${formatDuration(Math.abs(offsetS))} ${offsetS > 0 ? 'slow' : 'fast'}`;
  return [['clock', `this host's is ${how}: the overlay's time is used; set the clock`]];
}
