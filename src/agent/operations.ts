import { hitToAddress } from '../base/node-id.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { systemRandom } from '../base/random.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ControlHandlers, LinkStatus, Params, Status } from '../control/schemas.ts';
import { VERSION } from '../base/version.ts';
import { zonesOf } from '../dns/zone.ts';
import type { EnrollmentRegister } from '../identity/enrollment-register.ts';
import type { LinkSnapshot } from '../link/link-manager.ts';
import type { MappingBehavior } from '../mobility/mapping-behavior.ts';
import { COUNTER_NAMES, counterValue } from '../native/counters.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { AddressBook } from './addresses/address-book.ts';
import { addressHandlers } from './addresses/address-operations.ts';
import { phoneFileHandlers } from './phone-files/phone-file-operations.ts';
import type { PhoneFiles } from './phone-files/phone-files.ts';
import type { Directory } from './directory.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import type { Guard } from './guard.ts';
import { lookUpEndpoints } from './endpoint-lookup.ts';
import { inSlices } from './in-slices.ts';
import { type Invitation, makeInvitation } from './invitation.ts';
import { ping, resolve } from './lookup-operations.ts';
import { memberHandlers, noRight } from './member-operations.ts';
import type { Membership } from './membership.ts';
import { netcheck } from './netcheck-operation.ts';
import type { NumberBook } from './number-book.ts';
import { numberHandlers } from './number-operations.ts';
import { overlayHandlers } from './overlay-operations.ts';
import { describePath, describePaths, whyPath, type NameOf } from './path-status.ts';
import { problemOf } from './problem.ts';
import type { PortMapping } from './port-mapping.ts';
import { sipDoctor, type SipKnowledge, sipStatus } from './sip-report.ts';
import type { StreamCertificateKeeper } from './stream-certificate-keeper.ts';
import { streamDoctor } from './stream-report.ts';
import { ticketHandlers } from './ticket-operations.ts';
import { voiceMailHandlers } from './voice-mail/voice-mail-operations.ts';
import type { VoiceMail } from './voice-mail/voice-mail.ts';

/** Used or not, a ticket that lies around is a risk. */
const DEFAULT_TICKET_LIFETIME_S = 24 * 3600;
/** A ticket without the router's address is of little use: so long it waits for the router's first answer. */
const MAPPING_MS = 3_000;

export interface OperationsComponents {
  readonly engine: Engine;
  readonly driver: Driver;
  readonly directory: Directory;
  readonly dataPlane: DataPlane;
  readonly membership: Membership;
  readonly addressBook: AddressBook;
  readonly phoneFiles: PhoneFiles;
  readonly voiceMail: VoiceMail;
  /** Undefined: this host is no gateway. */
  readonly numbers: NumberBook | undefined;
  readonly register: EnrollmentRegister;
  readonly config: AgentConfig;
  readonly logger: Logger;
  readonly guard: Guard;
  readonly dnsListen: SocketAddress | undefined;
  /** Our addresses now. */
  readonly locators: () => readonly string[];
  /** By address. */
  readonly interfaceNames: () => ReadonlyMap<string, string>;
  /** The interface as it is now; undefined: none. */
  readonly tun: () => Status['tun'] | undefined;
  /** Null: Mainline is not used. */
  readonly mainlineNodes: () => number | null;
  /** Undefined: switched off. */
  readonly portMapping: PortMapping | undefined;
  /** As of now; undefined: no SIP adaptor. */
  readonly sip: () => SipKnowledge | undefined;
  /** Undefined: streams show none that was given, or none are accepted. */
  readonly streamCertificate: StreamCertificateKeeper | undefined;
}

/** What is asked of the agent as a whole, in whatever overlay it is. */
export type AgentMethod = 'join' | 'create' | 'leave' | 'exportAuthority' | 'importAuthority' | 'down';
export type LifeHandlers = Omit<ControlHandlers, AgentMethod>;

/** What local clients may ask of a member of an overlay. */
export function lifeHandlers(agent: OperationsComponents): LifeHandlers {
  const { engine, driver, register, directory, membership, guard } = agent;
  const after = (ms: number, then: () => void): void => void guard.after('lookup', ms, then);
  const lookups = { engine, driver, directory, after };
  return {
    ...memberHandlers({ engine, driver, register }),
    ...addressHandlers(agent.addressBook),
    ...phoneFileHandlers(agent.phoneFiles),
    ...voiceMailHandlers(agent.voiceMail),
    ...numberHandlers(agent),
    ...ticketHandlers({ engine, driver, register }),
    ...overlayHandlers({ engine, driver, authority: membership.authority, canMeet: membership.secret !== null }),
    status: () => status(agent),
    invite: (params) => invite(agent, params),
    ping: ({ target, count }, signal) => ping(lookups, target, count ?? 3, signal),
    netcheck: (_, signal) => netcheck(agent, mappingStatus(agent), signal),
    doctor: ({ topic }) =>
      topic === 'sip' ? doctor(agent) : streamDoctor(agent.streamCertificate, agent.engine.clock.wall()),
    resolve: ({ target }) => resolve(lookups, target),
    counters: () => ({
      ...Object.fromEntries(COUNTER_NAMES.map((name) => [name, Number(counterValue(agent.dataPlane.counters, name))])),
      ...agent.engine.links.counters,
      unexpectedErrors: agent.guard.count,
    }),
  };
}

async function status(agent: OperationsComponents): Promise<Status> {
  const { engine, config, dataPlane, directory } = agent;
  const reports = Map.groupBy(await dataPlane.paths(), ({ link }) => link);
  const interfaces = agent.interfaceNames();
  const { overlay } = engine;
  const { addresses } = engine.links;
  const { reflexive, natMapping } = addresses;
  const shown = await inSlices(engine.links.snapshots(), (link) =>
    link.state === 'guest'
      ? undefined
      : {
          ...describeLink(agent, link, natMapping),
          paths: describePaths(reports.get(link.dataPlaneLink) ?? [], interfaces, namesOf(agent), addresses),
        },
  );
  const alone = overlay?.state === 'joined' && shown.length === 0;
  const { state, lapsed, expires, user, configuration } = engine.membership;
  return {
    hit: hitToAddress(engine.hit),
    ipv4: engine.ipv4 ?? null,
    overlay: configuration.overlay,
    name: directory.hostNameOf(user),
    role: overlay?.role ?? (config.role === 'client' ? 'client' : 'peer'),
    ...(engine.why !== undefined && { why: engine.why }),
    state:
      state === 'revoked'
        ? state
        : overlay === undefined
          ? 'starting'
          : alone
            ? 'alone'
            : overlay.state === 'joined'
              ? 'joined'
              : 'joining',
    membership: { state, lapsed, expires },
    problem: problemOf(engine.membership, engine.double),
    unwritten: [...engine.membership.unwritten],
    listen: agent.locators().map((address) => formatSocketAddress({ address, port: dataPlane.port })),
    links: shown.filter((link) => link !== undefined),
    ...processStatus(agent.guard),
    clock: { offsetS: Math.round(engine.clock.offsetMs) / 1000, source: engine.clock.source },
    nat: {
      mapping: natMapping,
      mapped: [...new Set(reflexive.map(({ mapped }) => formatSocketAddress(mapped)))],
    },
    portMapping: mappingStatus(agent),
    rendezvous: { mode: configuration.rendezvous, nodes: agent.mainlineNodes() },
    tun: agent.tun() ?? null,
    dns: dnsStatus(agent),
    sip: sipStatus(agent.sip()),
  };
}

function doctor(agent: OperationsComponents): ReturnType<typeof sipDoctor> {
  const { engine, dnsListen: stub } = agent;
  const { user, configuration } = engine.membership;
  const { overlay, dnsName } = configuration;
  const clockOffsetS = engine.clock.offsetMs / 1000;
  return sipDoctor(agent.sip(), { hasTun: agent.tun() !== undefined, user, overlay, dnsName, stub, clockOffsetS });
}

function dnsStatus({ dnsListen, membership }: OperationsComponents): Status['dns'] {
  if (dnsListen === undefined) return null;
  const { dnsName, ipv4Prefix } = membership.configuration;
  return { listen: formatSocketAddress(dnsListen), zones: zonesOf({ overlay: dnsName, ipv4Prefix }) };
}

function mappingStatus({ portMapping }: OperationsComponents): Status['portMapping'] {
  if (portMapping === undefined) return null;
  const { state, external, protocol, why } = portMapping.mapping;
  return {
    state,
    external: external === undefined ? null : formatSocketAddress(external),
    protocol: protocol ?? null,
    why: why ?? null,
  };
}

/** What the status says of the process. */
export function processStatus(guard: Guard): Pick<Status, 'version' | 'pid' | 'uptimeS' | 'unexpectedErrors'> {
  return { version: VERSION, pid: process.pid, uptimeS: process.uptime(), unexpectedErrors: guard.count };
}

const LINK_STATES = {
  connecting: 'handshaking',
  up: 'connected',
  mending: 'moving',
  retired: 'closed',
  closed: 'closed',
  guest: 'connected',
} as const;

function describeLink(agent: OperationsComponents, link: LinkSnapshot, mapping: MappingBehavior): LinkStatus {
  const { dataPlane, directory } = agent;
  const nameOf = namesOf(agent);
  const counters = dataPlane.linkCounters(link.dataPlaneLink);
  return {
    hit: hitToAddress(link.hit),
    name: directory.hostNameOf(link.name),
    state: LINK_STATES[link.state],
    path: describePath(link.path, nameOf),
    rttMs: link.rttMs ?? null,
    loss: link.loss,
    rxBytes: Number(counters?.rxBytes ?? 0n),
    txBytes: Number(counters?.txBytes ?? 0n),
    handshakes: link.handshakes,
    ...(link.path !== undefined && { why: whyPath(link.path, nameOf, mapping) }),
  };
}

function namesOf({ engine, directory }: OperationsComponents): NameOf {
  return (hit) => directory.hostNameOf(engine.userOf(hit));
}

async function invite(
  { engine, driver, membership, register, config, logger, portMapping }: OperationsComponents,
  params: Params<'invite'>,
): Promise<Invitation> {
  if (engine.membership.inviting === undefined) throw noRight(engine);
  const { overlay } = engine.membership.configuration;
  const { user = null, expiresS = DEFAULT_TICKET_LIFETIME_S, uses = 1, replaces = false } = params;
  await portMapping?.settled(MAPPING_MS);
  engine.addresses.advertised = await lookUpEndpoints(config.advertise, logger);
  const options = {
    user: user === null || user.includes('@') ? user : `${user}@${overlay}`,
    lifetimeMs: expiresS * 1000,
    ...{ uses, replaces },
  };
  return driver.run((now) => {
    const invitation = makeInvitation({ engine, membership, register, random: systemRandom }, options, now);
    engine.ticketsChanged(now);
    return invitation;
  });
}
