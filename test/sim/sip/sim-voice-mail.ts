import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { MachineCall, MachineReady, VoiceMailPorts } from '../../../src/sip/voice-mail/ports.ts';
import { ADAPTOR_PORT, OVERLAY, type SipHome } from './sip-household.ts';
import type { SipNetwork } from './sip-network.ts';
import { SimPhone } from './sip-phone.ts';

const FIRST_PORT = 6_100;

/** Mailboxes of members as a host sees them, and its answering machines. */
export class SimVoiceMail implements VoiceMailPorts {
  /** By label: how long it rings before. */
  readonly offers = new Map<string, number>();
  /** What offers were asked for. */
  readonly asked: string[] = [];
  /** Who was to be answered for whom. */
  readonly recorded: (MachineCall & { readonly from: string; readonly user: string })[] = [];
  readonly machines: SimPhone[] = [];
  isInstalled = true;
  /** Its programs are broken. */
  fails = false;
  knownAfterMs = 20;
  readyAfterMs = 300;
  /** Machines that were not wanted any more when they were ready. */
  calledOff = 0;
  /** That wait for the user of the host. */
  messages = 0;
  private readonly network: SipNetwork;
  private home: SipHome | undefined;

  constructor(network: SipNetwork) {
    this.network = network;
  }

  of(home: SipHome): void {
    this.home = home;
  }

  isThere(): boolean {
    return this.isInstalled;
  }

  offerOf(user: string, done: Parameters<VoiceMailPorts['offerOf']>[1]): void {
    this.asked.push(user);
    const ringMs = this.offers.get(user.split('@')[0] ?? '');
    const answer = (call: MachineCall & { readonly from: string }, ready: MachineReady): void => {
      this.recorded.push({ ...call, user });
      this.start(ready);
    };
    this.later(this.knownAfterMs, (now) => done(ringMs === undefined ? undefined : { ringMs, answer }, now));
  }

  playBack(_call: MachineCall, done: Parameters<VoiceMailPorts['playBack']>[1]): void {
    if (this.messages === 0) this.later(1, (now) => done({ status: 480, reason: 'No Messages' }, now));
    else this.start((at, now) => done(at ?? { status: 480, reason: 'Answering Machine Failed' }, now));
  }

  private start(ready: MachineReady): void {
    this.later(this.readyAfterMs, (now) => {
      const isWanted: unknown = ready(this.fails ? undefined : this.machine(), now);
      if (isWanted === false) this.calledOff += 1;
    });
  }

  private machine(): SocketAddress {
    const { home } = this;
    if (home === undefined) throw new Error(`no host of ${OVERLAY}`);
    const address = { address: home.ipv6, port: FIRST_PORT + this.machines.length };
    const proxy = { address: home.ipv6, port: ADAPTOR_PORT };
    const machine = new SimPhone(this.network, 'voicemail', { address, proxy }, 900 + this.machines.length);
    machine.manners = { answersAfterMs: 5 };
    this.machines.push(machine);
    return address;
  }

  private later(ms: number, then: (now: number) => void): void {
    this.network.loop.after(ms, () => {
      then(this.network.loop.now);
      if (this.home !== undefined) this.network.schedule(this.home);
    });
  }
}
