import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackgroundProcess } from './command.ts';
import { eventually } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import { withChildren } from './processes.ts';

const MODULES = '/usr/lib/x86_64-linux-gnu/kamailio/modules/';
const START_TIMEOUT_MS = 10_000;

/** Debian's kamailio as a stateful proxy that stays in dialogs and sends everything new to one next hop. */
export class Kamailio {
  readonly process: BackgroundProcess;

  private constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /** @param options.listen and `next`: `203.0.113.10:5062` */
  static async start(
    lab: Lab,
    namespace: Namespace,
    options: { readonly name: string; readonly listen: string; readonly next: string },
  ): Promise<Kamailio> {
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

function configurationOf({ listen, next }: { readonly listen: string; readonly next: string }): string {
  return `debug=0
log_stderror=yes
fork=yes
children=2
disable_tcp=yes
listen=udp:${listen}
mpath="${MODULES}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
request_route {
  if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
    sl_send_reply("481", "No Such Dialog");
    exit;
  }
  record_route();
  $du = "sip:${next}";
  t_relay();
}
`;
}
