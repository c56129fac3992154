import { join } from 'node:path';
import { Agent, TUN_NAME } from '../../../scripts/testbed/agent.ts';
import type { Lab } from '../../../scripts/testbed/lab.ts';
import { Phone, type PhoneOptions } from '../../../scripts/testbed/phone.ts';
import { speechLike, writeWav } from '../../../scripts/testbed/speech.ts';
import { type Host, twoHomes } from '../../../scripts/testbed/topology.ts';

export const PROVIDER = '203.0.113.50';
export const WORLD = '203.0.113.60';
/** At the provider, and alice's. */
export const NUMBER = '+4930111222';
export const PASSWORD = 'a secret of the line';
/** As long as any call of these tests. */
const SPEECH_S = 60;

export interface Member {
  readonly agent: Agent;
  readonly host: Host;
}

/** Two homes behind NATs, a gateway in the open, and where its provider and a phone of the world are to be. */
export class TrunkPlaces {
  readonly lab: Lab;
  readonly overlay: string;
  readonly homes: Awaited<ReturnType<typeof twoHomes>>;
  readonly provider: Host;
  readonly outside: Host;
  /** What all phones say. */
  readonly speech: string;

  private constructor(
    lab: Lab,
    overlay: string,
    hosts: Pick<TrunkPlaces, 'homes' | 'provider' | 'outside'>,
    speech: string,
  ) {
    this.lab = lab;
    this.overlay = overlay;
    this.homes = hosts.homes;
    this.provider = hosts.provider;
    this.outside = hosts.outside;
    this.speech = speech;
  }

  /** @param channels of their speech */
  static async of(lab: Lab, overlay: string, channels: 1 | 2): Promise<TrunkPlaces> {
    const homes = await twoHomes(lab);
    const provider = await homes.internet.publicHost('provider', PROVIDER);
    const outside = await homes.internet.publicHost('world', WORLD);
    const speech = join(lab.directory, 'said.wav');
    writeWav(speech, speechLike(SPEECH_S, 6_940), channels);
    return new TrunkPlaces(lab, overlay, { homes, provider, outside }, speech);
  }

  /** @param trunk its settings but for those that all gateways of these tests have */
  gateway(trunk: string): Promise<Agent> {
    return Agent.start(this.lab, {
      ...{ namespace: this.homes.peer.namespace, name: 'office', overlay: { create: this.overlay } },
      configuration: `
[sip]
country = "DE"
[sip.trunk]
user = "line7"
password = "${PASSWORD}"
numbers = { "${NUMBER}" = "alice" }
${trunk}`,
    });
  }

  /** Whose calls go out by the gateway. */
  async member(name: string, host: Host, gateway: Agent): Promise<Member> {
    const agent = await Agent.start(this.lab, {
      ...{ namespace: host.namespace, name, overlay: { join: await gateway.invite() } },
      configuration: '[sip]\ngateways = ["office"]\ncountry = "DE"\n',
    });
    return { agent, host };
  }

  /** A member's, registered. */
  async phone(name: string, { agent, host }: Member, more: Partial<PhoneOptions> = {}): Promise<Phone> {
    const nameserver = (await agent.status()).dns?.listen;
    const phone = await Phone.start({
      ...{ namespace: host.namespace, directory: this.lab.folder(`phone-${name}`) },
      ...{ addressOfRecord: `${name}@${this.overlay}`, interfaceName: TUN_NAME, speech: this.speech },
      ...{ registers: 'any', family: 4, ...more },
      ...(nameserver === undefined ? {} : { nameserver }),
    });
    await phone.registered(10_000);
    return phone;
  }

  /** Behind the provider. */
  worldPhone(folder: string, more: Partial<PhoneOptions> = {}): Promise<Phone> {
    const { lab, outside, speech } = this;
    return Phone.start({
      ...{ namespace: outside.namespace, directory: lab.folder(folder), addressOfRecord: `zoe@${PROVIDER}` },
      ...{ interfaceName: outside.interfaceName, speech, family: 4, ...more },
    });
  }
}
