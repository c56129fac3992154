import type { Clock } from '../base/clock.ts';
import { hitToAddress, isHitAddress, type Hit } from '../base/node-id.ts';
import { isInPrefix, parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { TrunkSettings } from '../config/trunk-settings.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { SipFlow } from '../sip/flow.ts';
import type { MediaRelayPorts } from '../sip/media/media-relay.ts';
import { encodeSip } from '../sip/message/codec.ts';
import type { SipMessage } from '../sip/message/message.ts';
import { OverlayNames } from '../sip/names.ts';
import type { NumberPlan } from '../sip/numbers.ts';
import type { TrunkAccount } from '../sip/trunk/account.ts';
import { RtpengineMedia } from '../sip/trunk/rtpengine-media.ts';
import { locateServers, type Server, type Wanted } from '../sip/trunk/server-location.ts';
import { Trunk } from '../sip/trunk/trunk.ts';
import type { TrunkState } from '../sip/trunk/trunk-state.ts';
import { trunkFlow } from '../sip/trunk/trunk-flow.ts';
import type { StateDirectory } from '../identity/state-directory.ts';
import { Driver } from './driver.ts';
import type { Guard } from './guard.ts';
import { inSlices } from './in-slices.ts';
import { KeptFile } from './kept-file.ts';
import { sipResolver } from './sip-resolver.ts';
import { TrunkSockets } from './trunk-sockets.ts';

// Implementation constants.

/** Who talks with whom by this gateway: nobody else's business. */
const CALLS_FILE = 'gateway-calls';
/** Calls that are answered at once are written at once. */
const SAVE_CALLS_MS = 50;
/** Messages that wait until calls of a former life are read. */
const MAX_EARLY = 256;
/** Where a peer that is not registered at may call from: DNS is asked again. */
const REFRESH_MS = 300_000;

export interface SipTrunkComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly guard: Guard;
  readonly state: StateDirectory;
  /** Absent: SDP passes as it is. */
  readonly rtpengine?: Pick<MediaRelayPorts, 'ask' | 'onAnswer'> | undefined;
  /** Whether this host has an IPv4 address in the overlay. */
  readonly hasIpv4: () => boolean;
  /** To the adaptor beside it, as soon as that may be. Must not throw. */
  readonly toAdaptor: (message: SipMessage) => void;
  /** It has a way out, or has none any more. */
  readonly changed: (now: number) => void;
}

export interface SipTrunkOptions {
  readonly settings: TrunkSettings;
  readonly numbers: NumberPlan;
  /** Numbers of members, beside those of the settings, as they are now. */
  readonly assigned: ReadonlyMap<string, string> | undefined;
  readonly overlay: string;
  /** CIDR. */
  readonly ipv4Prefix: string;
  readonly self: Hit;
  /** Of the adaptor. */
  readonly port: number;
}

/** The gateway of this host, in the agent: its sockets, its timer, and what it asks of DNS. */
export class SipTrunk {
  /** Between the adaptor and the gateway. */
  readonly flow: SipFlow;
  private readonly trunk: Trunk;
  private readonly account: TrunkAccount;
  private readonly driver: Driver;
  private readonly sockets: TrunkSockets;
  /** Calls from life to life: an agent that crashes takes none of them along. */
  private readonly kept: KeptFile;
  private readonly resolver = sipResolver();
  private readonly random: Random;
  private readonly refresh: NodeJS.Timeout;
  private readonly options: SipTrunkOptions;
  /** Our address that leads to the provider. */
  private outside: string | undefined;
  /** What has come while calls of a former life are read: it may be of one of them. */
  private early: ((now: number) => void)[] | undefined = [];

  constructor(components: SipTrunkComponents, options: SipTrunkOptions) {
    const { clock, random, logger, guard, state, rtpengine, hasIpv4, toAdaptor, changed } = components;
    const media =
      rtpengine &&
      new RtpengineMedia(
        {
          ask: (command, done) => rtpengine.ask(command, (answer) => this.run((now) => done(answer, now))),
          onAnswer: (failure) => rtpengine.onAnswer(failure),
        },
        { hasIpv4, protection: options.settings.media },
      );
    const { settings, numbers: plan, assigned, overlay, ipv4Prefix, self, port } = options;
    const adaptor = { address: hitToAddress(self), port };
    const prefix = parseIpv4Prefix(ipv4Prefix);
    this.account = { ...settings, plan, assigned };
    this.random = random;
    this.options = options;
    this.flow = trunkFlow(adaptor);
    this.kept = new KeptFile(
      { state, logger, text: () => this.trunk.snapshot(clock.monotonic(), clock.wall()) },
      { file: CALLS_FILE, what: 'calls of the gateway', saveDelayMs: SAVE_CALLS_MS },
    );
    this.trunk = new Trunk(
      {
        ports: {
          sendInside: toAdaptor,
          sendOutside: (flow, message) => this.sockets.send(flow, encodeSip(message)),
          locate: (wanted, _, done) =>
            void this.locate(wanted).then((servers) => this.run((now) => done(servers, now))),
          localOutside: (remote) => this.sockets.ends.to(remote),
          changed,
          callsChanged: () => this.kept.changed(),
        },
        ...{ media, names: new OverlayNames(overlay), random, logger },
      },
      { account: this.account, adaptor },
    );
    this.driver = new Driver(this.trunk, clock, guard);
    // Of the overlay come no calls of the world.
    const isOfOverlay = (address: string): boolean =>
      isHitAddress(address) || (!address.includes(':') && isInPrefix(prefix, address));
    this.sockets = new TrunkSockets(
      {
        ...{ clock, random, logger, guard },
        isWelcome: (address) => !isOfOverlay(address) && this.trunk.isWelcome(address),
        receive: (flow, incoming) => this.heard((now) => this.trunk.receiveOutside(flow, incoming, now)),
        flowClosed: (flow, why) => this.run((now) => this.trunk.flowClosed(flow, now, why)),
      },
      settings,
    );
    this.refresh = setInterval(() => this.run((now) => this.trunk.start(now)), REFRESH_MS).unref();
    void this.restore(clock.wall());
    this.run((now) => this.trunk.start(now));
  }

  get isReady(): boolean {
    return this.trunk.isReady;
  }

  get state(): TrunkState {
    return this.trunk.state;
  }

  /** What it leads to now; undefined: nowhere. */
  get domain(): string | undefined {
    return this.isReady ? this.account.domain : undefined;
  }

  /** Where media of the provider come to; undefined: it is not known yet where that is. */
  get mediaAddress(): { readonly address: string; readonly told: string | undefined } | undefined {
    const { outside, options } = this;
    if (outside === undefined) return undefined;
    const { address: told } = options.settings;
    return { address: outside, told: told?.includes(':') === outside.includes(':') ? told : undefined };
  }

  /** Of the adaptor beside it. */
  receive(message: SipMessage): void {
    this.heard((now) => this.trunk.receiveInside(message, now));
  }

  networkChanged(): void {
    this.sockets.networkChanged();
    this.run((now) => this.trunk.networkChanged(now));
  }

  /** Idempotent. Its calls are ended: nobody else could. */
  stop(): void {
    clearInterval(this.refresh);
    this.run((now) => this.trunk.stop(now));
    this.driver.stop();
    this.kept.flush();
    // What was sent now is on its way.
    setImmediate(() => this.sockets.stop());
  }

  /** Never rejects. A thousand calls are read in many turns of the event loop. */
  private async restore(wallNow: number): Promise<void> {
    const [head = '', ...lines] = this.kept.loadBy((text) => text.split('\n')) ?? [];
    const restore = this.trunk.restorer(head, wallNow);
    if (restore !== undefined) await inSlices(lines, (line) => this.run((now) => restore(line, now)));
    const { early = [] } = this;
    this.early = undefined;
    for (const input of early) this.run(input);
  }

  private heard(input: (now: number) => void): void {
    if (this.early === undefined) this.run(input);
    else if (this.early.length < MAX_EARLY) this.early.push(input);
  }

  private run(input: (now: number) => void): void {
    this.driver.feed('SIP trunk', input);
  }

  /** Never rejects. */
  private async locate(wanted: Wanted): Promise<Server[]> {
    const servers = await locateServers(wanted, this.resolver, this.random);
    // A member's word sends nothing into the networks that this host is in.
    const allowed = servers.filter(
      ({ remote }) => wanted === this.account.server || isGloballyReachable(remote.address),
    );
    await Promise.all(allowed.map(({ remote }) => this.sockets.ends.find(remote)));
    const [first] = allowed;
    if (wanted === this.account.server && first !== undefined) this.outside = this.sockets.ends.routeTo(first.remote);
    return allowed;
  }
}
