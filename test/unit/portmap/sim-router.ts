import { ByteReader, ByteWriter } from '../../../src/base/bytes.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatSocketAddress } from '../../../src/base/socket-address.ts';
import type { HttpRequest, Input, Protocol, Transmit } from '../../../src/portmap/attempt.ts';
import { GATEWAY_PORT } from '../../../src/portmap/constants.ts';
import { PortMapper, type Uplink } from '../../../src/portmap/port-mapper.ts';

export const UPLINK: Uplink = { gateway: '192.168.1.1', local: '192.168.1.10' };
export const PORT = 6084;
const RTT_MS = 2;

/** A home router in virtual time. */
export class SimRouter {
  external = '203.0.113.1';
  speaks: Protocol[];
  /** Nobody is at its port 5351 and its host says so; else what is not spoken is not answered. */
  refuses = false;
  off = false;
  /** PCP result code, NAT-PMP result code or UPnP error that it answers with. */
  error = 0;
  /** What it grants; undefined: what was asked for. */
  grants: number | undefined;
  /** External ports that somebody else has. */
  readonly taken = new Set<number>();
  permanentOnly = false;
  servicesIn: 'igd1' | 'igd2' | 'ppp' = 'igd2';
  /** External port, and when it ends. */
  readonly mappings = new Map<number, { readonly to: string; readonly until: number }>();
  /** What it was asked, in order. */
  readonly asked: { readonly at: number; readonly what: string }[] = [];
  private startedAt = -1_000_000;

  constructor(speaks: Protocol[]) {
    this.speaks = speaks;
  }

  get what(): string[] {
    return this.asked.map(({ what }) => what);
  }

  epochS(now: number): number {
    return Math.floor((now - this.startedAt) / 1_000);
  }

  reboot(now: number): void {
    this.startedAt = now;
    this.mappings.clear();
  }

  /** RFC 6887 s14.1. */
  announcement(now: number): Uint8Array {
    const writer = new ByteWriter();
    writer.hex('02800000');
    writer.u32(0);
    writer.u32(this.epochS(now));
    writer.hex('00'.repeat(12));
    return writer.finish();
  }

  answers(out: Transmit, now: number): Input[] {
    if (this.off) return [];
    switch (out.type) {
      case 'gateway':
        return this.gateway(out.data, now);
      case 'search':
        return this.speaks.includes('upnp') && out.to.address === UPLINK.gateway ? this.search(out.data, now) : [];
      case 'http': {
        const { status, body } = this.http(out.request, now);
        return [{ type: 'answered', id: out.id, status, body: Buffer.from(body) }];
      }
    }
  }

  private note(what: string, now: number): void {
    this.asked.push({ at: now, what });
  }

  private gateway(data: Uint8Array, now: number): Input[] {
    const [version, opcode] = data;
    if (this.refuses) return [{ type: 'refused' }];
    if (version === 2 && this.speaks.includes('pcp')) return [{ type: 'gateway', data: this.pcp(data, now) }];
    if (!this.speaks.includes('nat-pmp')) return [];
    const writer = new ByteWriter();
    if (version !== 0) {
      this.note('pcp to nat-pmp', now);
      writer.hex('00810001');
      writer.u32(this.epochS(now));
      return [{ type: 'gateway', data: writer.finish() }];
    }
    writer.u8(0);
    writer.u8(128 + (opcode ?? 0));
    writer.u16(this.error);
    writer.u32(this.epochS(now));
    if (opcode === 0) {
      this.note('nat-pmp address', now);
      writer.bytes(Uint8Array.from(this.external.split('.').map(Number)));
    } else {
      const reader = new ByteReader(data.subarray(4));
      const internal = reader.u16();
      const wanted = reader.u16();
      const lifetimeS = reader.u32();
      this.note(`nat-pmp map ${lifetimeS}`, now);
      const external = this.map(lifetimeS === 0 ? internal : wanted, internal, lifetimeS, now);
      writer.u16(internal);
      writer.u16(lifetimeS === 0 ? 0 : external);
      writer.u32(this.granted(lifetimeS));
    }
    return [{ type: 'gateway', data: writer.finish() }];
  }

  private pcp(data: Uint8Array, now: number): Uint8Array {
    const reader = new ByteReader(data.subarray(4));
    const lifetimeS = reader.u32();
    reader.bytes(16);
    const rest = reader.bytes(12 + 4);
    const internal = reader.u16();
    const wanted = reader.u16();
    this.note(`pcp map ${lifetimeS}`, now);
    const external = this.error === 0 ? this.map(wanted, internal, lifetimeS, now) : 0;
    const writer = new ByteWriter();
    writer.hex('028100');
    writer.u8(this.error);
    writer.u32(this.granted(lifetimeS));
    writer.u32(this.epochS(now));
    writer.hex('00'.repeat(12));
    writer.bytes(rest);
    writer.u16(internal);
    writer.u16(external);
    writer.hex(`${'00'.repeat(10)}ffff`);
    writer.bytes(Uint8Array.from(this.external.split('.').map(Number)));
    return writer.finish();
  }

  private granted(lifetimeS: number): number {
    return lifetimeS === 0 ? 0 : (this.grants ?? lifetimeS);
  }

  private map(wanted: number, internal: number, lifetimeS: number, now: number): number {
    let external = wanted;
    while (this.taken.has(external)) external += 1;
    if (lifetimeS === 0) this.mappings.delete(external);
    else
      this.mappings.set(external, { to: `${UPLINK.local}:${internal}`, until: now + this.granted(lifetimeS) * 1000 });
    return external;
  }

  private search(data: Uint8Array, now: number): Input[] {
    const target = /\r\nST: (.*)\r\n/.exec(Buffer.from(data).toString())?.[1] ?? '';
    if (!target.includes('InternetGatewayDevice:1')) return [];
    this.note('search', now);
    const answer = `HTTP/1.1 200 OK\r\nST: ${target}\r\nLOCATION: http://${UPLINK.gateway}:5000/root.xml\r\n\r\n`;
    return [{ type: 'searched', from: { address: UPLINK.gateway, port: 1900 }, data: Buffer.from(answer) }];
  }

  private http({ url, headers, body }: HttpRequest, now: number): { status: number; body: string } {
    const types = { igd1: 'WANIPConnection:1', igd2: 'WANIPConnection:2', ppp: 'WANPPPConnection:1' };
    const type = `urn:schemas-upnp-org:service:${types[this.servicesIn]}`;
    if (url.endsWith('/root.xml')) {
      this.note('description', now);
      const service = `<service><serviceType>${type}</serviceType><controlURL>/ctl</controlURL></service>`;
      return { status: 200, body: `<root><device><serviceList>${service}</serviceList></device></root>` };
    }
    const action = /#(\w+)"$/.exec(headers.SOAPAction ?? '')?.[1] ?? '';
    const field = (name: string): string => new RegExp(`<${name}>(.*)</${name}>`).exec(body)?.[1] ?? '';
    this.note(`${action} ${field('NewExternalPort')}`.trim(), now);
    const port = Number(field('NewExternalPort'));
    const leaseS = Number(field('NewLeaseDuration'));
    const fail = (code: number): { status: number; body: string } => ({
      status: 500,
      body: `<e><UPnPError><errorCode>${code}</errorCode></UPnPError></e>`,
    });
    const succeed = (fields: string): { status: number; body: string } => ({
      status: 200,
      body: `<e><u:${action}Response xmlns:u="${type}">${fields}</u:${action}Response></e>`,
    });
    if (!(headers.SOAPAction ?? '').includes(type)) return fail(401);
    switch (action) {
      case 'GetExternalIPAddress':
        return succeed(`<NewExternalIPAddress>${this.external}</NewExternalIPAddress>`);
      case 'AddPortMapping':
        if (this.error !== 0) return fail(this.error);
        if (this.permanentOnly && leaseS !== 0) return fail(725);
        if (this.taken.has(port)) return fail(718);
        this.mappings.set(port, {
          to: `${field('NewInternalClient')}:${field('NewInternalPort')}`,
          until: leaseS === 0 ? Infinity : now + leaseS * 1_000,
        });
        return succeed('');
      case 'DeletePortMapping':
        return this.mappings.delete(port) ? succeed('') : fail(714);
      default:
        return fail(401);
    }
  }
}

/** A `PortMapper` in front of a router, in virtual time. */
export class MapperWorld {
  now = 0;
  readonly mapper: PortMapper;
  readonly log: string[] = [];
  router: SimRouter;
  private readonly queue: { readonly at: number; readonly input: Input }[] = [];

  constructor(router: SimRouter, seed = 1) {
    this.router = router;
    const note =
      (level: string) =>
      (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
        if (level !== 'debug') this.log.push(`${level}: ${event} ${JSON.stringify(fields)}`);
      };
    const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    this.mapper = new PortMapper(
      { random: seededRandom(seed), logger },
      { port: PORT, nonceFor: () => new Uint8Array(12).fill(7) },
    );
  }

  get external(): string | undefined {
    const { external } = this.mapper.mapping;
    return external === undefined ? undefined : formatSocketAddress(external);
  }

  /** Mappings of the router that have not ended. */
  get mapped(): number[] {
    return [...this.router.mappings].filter(([, { until }]) => until > this.now).map(([port]) => port);
  }

  uplink(uplink: Uplink | undefined = UPLINK): void {
    this.mapper.setUplink(uplink, this.now);
    this.pump();
  }

  announce(data = this.router.announcement(this.now), address = UPLINK.gateway): void {
    this.mapper.announced(data, { address, port: GATEWAY_PORT }, this.now);
    this.pump();
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = Math.min(this.queue[0]?.at ?? Infinity, this.mapper.nextTimeout() ?? Infinity);
      if (next > end) break;
      this.now = Math.max(this.now, next);
      const due = this.queue[0];
      if (due !== undefined && due.at <= this.now) {
        this.queue.shift();
        this.mapper.input(due.input, this.now);
      } else this.mapper.handleTimeout(this.now);
      this.pump();
    }
    this.now = end;
  }

  pump(): void {
    for (let out = this.mapper.pollTransmit(); out !== undefined; out = this.mapper.pollTransmit())
      for (const input of this.router.answers(out, this.now)) this.queue.push({ at: this.now + RTT_MS, input });
  }
}
