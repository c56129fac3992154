import { IdlocError } from '../base/errors.ts';
import { hitToAddress } from '../base/node-id.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { ControlHandlers, Status } from '../control/schemas.ts';
import type { Host } from './host.ts';
import type { AnyGround, Lives } from './lives.ts';
import { processStatus, type LifeHandlers } from './operations.ts';

/** What local clients may ask of the agent: of the overlay that it is in, or to go to another. */
export function agentHandlers<G extends AnyGround>(host: Host, lives: Lives<G>, stop: () => void): ControlHandlers {
  const hit = hitToAddress(host.identity.hit);
  const life = (): LifeHandlers => {
    const { current } = lives;
    if (current === undefined) throw new IdlocError('no_overlay', noOverlay(lives));
    return current.handlers;
  };
  return {
    invite: (params, signal) => life().invite(params, signal),
    tickets: (params, signal) => life().tickets(params, signal),
    withdraw: (params, signal) => life().withdraw(params, signal),
    ping: (params, signal) => life().ping(params, signal),
    netcheck: (params, signal) => life().netcheck(params, signal),
    doctor: (params, signal) => life().doctor(params, signal),
    resolve: (params, signal) => life().resolve(params, signal),
    members: (params, signal) => life().members(params, signal),
    grant: (params, signal) => life().grant(params, signal),
    revoke: (params, signal) => life().revoke(params, signal),
    rename: (params, signal) => life().rename(params, signal),
    overlay: (params, signal) => life().overlay(params, signal),
    contacts: (params, signal) => life().contacts(params, signal),
    changeContacts: (params, signal) => life().changeContacts(params, signal),
    phoneFiles: (params, signal) => life().phoneFiles(params, signal),
    readPhoneFile: (params, signal) => life().readPhoneFile(params, signal),
    savePhoneFile: (params, signal) => life().savePhoneFile(params, signal),
    removePhoneFiles: (params, signal) => life().removePhoneFiles(params, signal),
    voicemail: (params, signal) => life().voicemail(params, signal),
    readVoicemail: (params, signal) => life().readVoicemail(params, signal),
    markVoicemailHeard: (params, signal) => life().markVoicemailHeard(params, signal),
    removeVoicemail: (params, signal) => life().removeVoicemail(params, signal),
    numbers: (params, signal) => life().numbers(params, signal),
    assignNumber: (params, signal) => life().assignNumber(params, signal),
    releaseNumber: (params, signal) => life().releaseNumber(params, signal),
    status: (params, signal) => lives.current?.handlers.status(params, signal) ?? statusBetween(host, lives),
    counters: (params, signal) =>
      lives.current?.handlers.counters(params, signal) ?? { unexpectedErrors: host.guard.count },
    join: async ({ ticket, name }) => ({ hit, ...(await lives.join(ticket, name)) }),
    create: async ({ overlay, rendezvous }) => ({ hit, ...(await lives.create(overlay, rendezvous)) }),
    leave: ({ force }) => lives.leave({ force: force ?? false }),
    exportAuthority: ({ passphrase }) => lives.exportAuthority(passphrase),
    importAuthority: async ({ text, passphrase }) => ({ hit, ...(await lives.importAuthority(text, passphrase)) }),
    down: () => {
      // After the answer has left.
      setImmediate(stop);
      return {};
    },
  };
}

function noOverlay<G extends AnyGround>({ between }: Lives<G>): string {
  return between === 'left'
    ? 'this host is in no overlay: `idloc join TICKET`, or `idloc create OVERLAY`'
    : 'not in the overlay yet: try again in a moment';
}

/** Of a host that is in no overlay. */
function statusBetween<G extends AnyGround>(
  { config, identity, guard, dns }: Host,
  { state, between = 'starting' }: Lives<G>,
): Status {
  return {
    hit: hitToAddress(identity.hit),
    ipv4: null,
    overlay: null,
    name: null,
    role: config.role === 'client' ? 'client' : 'peer',
    state: between,
    membership: { state, lapsed: false, expires: null },
    problem: null,
    unwritten: [],
    listen: [],
    links: [],
    ...processStatus(guard),
    clock: { offsetS: 0, source: 'host' },
    nat: { mapping: 'unknown', mapped: [] },
    portMapping: null,
    rendezvous: null,
    tun: null,
    dns: dns === undefined ? null : { listen: formatSocketAddress(dns.listen), zones: [] },
    sip: null,
  };
}
