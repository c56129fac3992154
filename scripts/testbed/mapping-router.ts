import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, ScriptError, type BackgroundProcess } from './command.ts';
import type { Lab } from './lab.ts';
import { NAT_WAN_INTERFACE, type NatRouter } from './topology.ts';

/** The one protocol that the router speaks. */
export type Mapper = 'pcp' | 'nat-pmp' | 'upnp';

const MINIUPNPD = '/usr/sbin/miniupnpd';
const START_TIMEOUT_MS = 10_000;
/** What Debian's nft_init.sh makes; what was mapped, and nothing else, is let in by `ip filter` too. */
const CHAINS = `table inet filter {
  chain forward { type filter hook forward priority filter; policy accept; jump miniupnpd; }
  chain miniupnpd { }
}
table inet nat {
  chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat - 1; jump postrouting_miniupnpd; }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}
`;

/** miniupnpd (Debian's miniupnpd-nftables) on a home router. */
export class MappingRouter {
  private readonly router: NatRouter;
  private readonly configuration: string;
  private process: BackgroundProcess;

  private constructor(router: NatRouter, configuration: string) {
    this.router = router;
    this.configuration = configuration;
    this.process = this.run();
  }

  /** @throws {ScriptError} when the program is not installed, or does not start. */
  static async start(lab: Lab, router: NatRouter, mapper: Mapper): Promise<MappingRouter> {
    if (!existsSync(MINIUPNPD)) throw new ScriptError(`${MINIUPNPD} is missing: scripts/test installs it`);
    const yes = (on: boolean): string => (on ? 'yes' : 'no');
    const configuration = join(lab.directory, `miniupnpd-${router.namespace.name}.conf`);
    const lines = [
      `ext_ifname=${NAT_WAN_INTERFACE}`,
      'listening_ip=lan0',
      'ipv6_disable=yes',
      `enable_natpmp=${yes(mapper !== 'upnp')}`,
      `enable_upnp=${yes(mapper === 'upnp')}`,
      'upnp_table_name=filter',
      'upnp_nat_table_name=nat',
      'secure_mode=yes',
      'uuid=2cea6950-0da5-4c8e-ba92-7e740943fc89',
      'allow 1024-65535 0.0.0.0/0 1024-65535',
      'deny 0-65535 0.0.0.0/0 0-65535',
    ];
    writeFileSync(configuration, `${lines.join('\n')}\n`);
    await router.namespace.nft(`${CHAINS}add rule ip filter forward ct status dnat accept`);
    // miniupnpd speaks PCP wherever it speaks NAT-PMP; the first byte of a datagram is the version.
    if (mapper === 'nat-pmp') await router.namespace.nft('insert rule ip filter input udp dport 5351 @th,64,8 2 drop');
    const started = new MappingRouter(router, configuration);
    await started.listening();
    return started;
  }

  /** What is mapped now, as nft shows it. */
  async mappings(): Promise<string[]> {
    const chain = await this.router.namespace.run('nft', ['list', 'chain', 'inet', 'nat', 'prerouting_miniupnpd']);
    return chain.split('\n').filter((line) => line.includes('dnat'));
  }

  /**
   * Forgets every mapping, as a router does that is switched off and on.
   * @returns what is mapped in between.
   */
  async reboot(): Promise<string[]> {
    await this.process.stop('SIGKILL');
    for (const chain of ['prerouting_miniupnpd', 'postrouting_miniupnpd'])
      await this.router.namespace.run('nft', ['flush', 'chain', 'inet', 'nat', chain]);
    await this.router.namespace.run('nft', ['flush', 'chain', 'inet', 'filter', 'miniupnpd']);
    const left = await this.mappings();
    this.process = this.run();
    await this.listening();
    return left;
  }

  private run(): BackgroundProcess {
    const pid = `${this.configuration}.pid`;
    return this.router.namespace.start(MINIUPNPD, ['-d', '-f', this.configuration, '-P', pid]);
  }

  private async listening(): Promise<void> {
    await eventually('miniupnpd listens', START_TIMEOUT_MS, async () => {
      const sockets = await this.router.namespace.run('ss', ['-lun']);
      return /:(5351|1900)\s/.test(sockets) ? true : undefined;
    });
  }
}
