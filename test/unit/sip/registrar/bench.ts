import { seededRandom } from '../../../../src/base/random.ts';
import type { SocketAddress } from '../../../../src/base/socket-address.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../../../../src/sip/flow.ts';
import { parseSip } from '../../../../src/sip/message/codec.ts';
import { headerValues } from '../../../../src/sip/message/headers.ts';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import { OverlayNames } from '../../../../src/sip/names.ts';
import { type ContactTarget, Registrar } from '../../../../src/sip/registrar/registrar.ts';

export const HIT = '2001002'.padEnd(31, '1') + 'a';
export const ALICE = 'alice@home.example';
export const OWN = '198.18.0.1';
export const WALL = 1_700_000_000_000;

export const from = (port: number, address = OWN): SipFlow =>
  udpFlow({ local: { address, port: 5062 }, remote: { address, port } });
export const overTcp = (port: number, address = OWN): SipFlow =>
  tcpFlow({ local: { address, port: 5062 }, remote: { address, port } });

/** A REGISTER of alice's, with other fields where given; a field of `undefined` is left out. */
export function register(fields: Readonly<Record<string, string | readonly string[] | undefined>> = {}): SipRequest {
  const { uri = 'sip:home.example', ...others } = fields;
  const all = {
    Via: `SIP/2.0/UDP ${OWN}:5060;branch=z9hG4bK1`,
    From: `<sip:${ALICE}>;tag=1`,
    To: `<sip:${ALICE}>`,
    'Call-ID': 'a',
    CSeq: '1 REGISTER',
    ...others,
  };
  const lines = Object.entries<string | readonly string[] | undefined>(all).flatMap(([name, value]) =>
    [value ?? []].flat().map((row) => `${name}: ${row}\r\n`),
  );
  const message = parseSip(Buffer.from(`REGISTER ${String(uri)} SIP/2.0\r\n${lines.join('')}\r\n`));
  if (message.type !== 'request') throw new Error('no request');
  return message;
}

let seed = 1;

/** A registrar whose clock the test moves, and what it says. */
export class Bench {
  readonly registrar: Registrar;
  readonly changes: string[] = [];
  user: string | null = ALICE;
  now = 0;

  constructor(outbound: readonly SipFlow['transport'][] = ['udp', 'tcp']) {
    const ports = {
      owns: (aor: string) => aor === this.user,
      user: () => this.user,
      isOwnAddress: (address: string) => address === OWN || address === '2001:21::1',
      changed: (aor: string, count: number) => void this.changes.push(`${aor} ${count}`),
    };
    const clock = { monotonic: () => this.now, wall: () => WALL + this.now };
    const components = { names: new OverlayNames('home.example'), ports, random: seededRandom(seed++), clock };
    this.registrar = new Registrar(components, { hit: HIT, outbound });
  }

  ask(fields: Parameters<typeof register>[0] = {}, flow = from(5060)): SipResponse {
    return this.registrar.register(register(fields), flow, this.now);
  }

  /** `200 OK`. */
  status(fields: Parameters<typeof register>[0] = {}, flow = from(5060)): string {
    const { status, reason } = this.ask(fields, flow);
    return `${status} ${reason}`;
  }

  get targets(): ContactTarget[] {
    return this.registrar.bindingsOf(ALICE, this.now);
  }

  /** URIs of what alice's calls go to. */
  get uris(): string[] {
    return this.targets.map(({ uri }) => uri);
  }

  /** The Contacts that an answer without changes lists. */
  get listed(): string[] {
    return headerValues(this.ask({ 'Call-ID': 'query' }), 'contact');
  }

  get remotes(): (SocketAddress & { readonly transport: string })[] {
    return this.targets.map(({ flow: { transport, remote } }) => ({ transport, ...remote }));
  }
}
