import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackgroundProcess } from './command.ts';
import { eventually } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import { withChildren } from './processes.ts';

const MODULES = '/usr/lib/x86_64-linux-gnu/kamailio/modules/';
const START_TIMEOUT_MS = 10_000;
/** Then a server of another domain is left for its next one. */
const PEER_SILENT_MS = 2_000;

const MODULE_NAMES = ['tm', 'sl', 'rr', 'pv', 'siputils', 'textops'];

/** Debian's kamailio as a stateful proxy that stays in dialogs. */
export class Kamailio {
  readonly process: BackgroundProcess;

  private constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /** Everything new goes to one next hop. @param options.listen and `next`: `203.0.113.10:5062` */
  static async start(
    lab: Lab,
    namespace: Namespace,
    { next, ...options }: { readonly name: string; readonly listen: string; readonly next: string },
  ): Promise<Kamailio> {
    return Kamailio.run(lab, namespace, {
      ...options,
      routing: `record_route();\n  $du = "sip:${next}";\n  t_relay();`,
    });
  }

  /**
   * A provider of one line: it registers, and calls out, with digest; what is called with one of `numbers` rings it, all else goes to one phone.
   * @param options.world `zoe@203.0.113.60:5060`
   * @param options.tls how the line is reached: only so. Absent: over UDP.
   */
  static async provider(
    lab: Lab,
    namespace: Namespace,
    options: {
      readonly name: string;
      readonly listen: string;
      readonly domain: string;
      readonly user: string;
      readonly password: string;
      readonly numbers: readonly string[];
      readonly world: string;
      readonly tls?: Tls;
    },
  ): Promise<Kamailio> {
    const { domain, user, password, numbers, world, tls } = options;
    const isSecure = 'if (is_method("REGISTER") && $proto != "tls") { sl_send_reply("403", "TLS Only"); exit; }';
    const routing = `
  ${tls === undefined ? '' : isSecure}
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("${domain}", "${password}", "0")) { www_challenge("${domain}", "1"); exit; }
    if (!save("location")) { sl_reply_error(); }
    exit;
  }
  record_route();
  if (${numbers.map((number) => `$rU == "${number}"`).join(' || ')}) {
    $ru = "sip:${user}@${domain}";
    if (!lookup("location")) { sl_send_reply("480", "Not Registered"); exit; }
    t_relay();
    exit;
  }
  if (!pv_proxy_authenticate("${domain}", "${password}", "0")) { proxy_challenge("${domain}", "1"); exit; }
  consume_credentials();
  $ru = "sip:${world}";
  t_relay();`;
    const modules = ['usrloc', 'registrar', 'auth'];
    const parameters = 'modparam("auth", "algorithm", "SHA-256")\nmodparam("registrar", "min_expires", 30)';
    return Kamailio.run(lab, namespace, { ...options, modules, parameters, routing });
  }

  /**
   * A server of a domain, which trusts its phones: whoever registers is called there; a call for another domain goes to that one's
   * servers as DNS names them (RFC 3263), to the next when one is silent.
   */
  static async peer(
    lab: Lab,
    namespace: Namespace,
    options: { readonly name: string; readonly listen: string; readonly domain: string },
  ): Promise<Kamailio> {
    const { domain } = options;
    return Kamailio.run(lab, namespace, {
      ...options,
      parameters: `dns_try_naptr=yes\nuse_dns_failover=yes\nmodparam("tm", "fr_timer", ${PEER_SILENT_MS})`,
      modules: ['usrloc', 'registrar'],
      routing: `
  if (is_method("REGISTER")) { if (!save("location")) { sl_reply_error(); } exit; }
  record_route();
  if ($rd == "${domain}" && !lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_relay();`,
    });
  }

  private static async run(lab: Lab, namespace: Namespace, options: Settings): Promise<Kamailio> {
    const folder = lab.folder(`kamailio-${options.name}`);
    const configuration = join(folder, 'kamailio.cfg');
    writeFileSync(configuration, configurationOf(options));
    const arguments_ = ['-DD', '-E', '-f', configuration, '-w', folder, '-Y', folder];
    const kamailio = new Kamailio(namespace.start('kamailio', arguments_));
    await eventually(`kamailio of ${options.name} listens`, START_TIMEOUT_MS, async () => {
      const { stdout } = await namespace.tryRun('ss', ['-Hlun']);
      return stdout.includes(options.listen) || undefined;
    });
    return kamailio;
  }

  /** Of all its processes. */
  get pids(): number[] {
    return withChildren(this.process.pid);
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }
}

/** Files in PEM; where it listens. */
interface Tls {
  readonly listen: string;
  readonly certificate: string;
  readonly key: string;
}

interface Settings {
  readonly name: string;
  readonly listen: string;
  readonly tls?: Tls;
  readonly modules?: readonly string[];
  readonly parameters?: string;
  /** What becomes of a request outside of a dialog. */
  readonly routing: string;
}

function configurationOf({ listen, tls, modules = [], parameters = '', routing }: Settings): string {
  const all = [...(tls === undefined ? [] : ['tls']), ...MODULE_NAMES, ...modules];
  return `debug=0
log_stderror=yes
fork=yes
children=2
listen=udp:${listen}
${tls === undefined ? 'disable_tcp=yes' : overTls(tls)}
mpath="${MODULES}"
${all.map((name) => `loadmodule "${name}.so"`).join('\n')}
${parameters}
${tls === undefined ? '' : tlsParameters(tls)}
request_route {
  if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
    sl_send_reply("481", "No Such Dialog");
    exit;
  }
  ${routing}
}
`;
}

/** RFC 5923: requests go by the connection that a Via with `alias` came by. */
function overTls({ listen }: Tls): string {
  return `enable_tls=yes\nlisten=tls:${listen}\ntcp_children=2\ntcp_accept_aliases=yes\ntcp_connection_lifetime=3600`;
}

function tlsParameters({ certificate, key }: Tls): string {
  return `modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "${certificate}")
modparam("tls", "private_key", "${key}")`;
}
