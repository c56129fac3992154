import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const SYSCTL_FOLDER = '/proc/sys/net/ipv6/conf';

/** `off`: by sysctl, for the interface; `absent`: the kernel was started without. */
export type Ipv6State = 'on' | 'off' | 'absent';

/** Whether an interface may have IPv6 addresses: `net.ipv6.conf.NAME.disable_ipv6`, made of those of `all` and `default`. */
export function ipv6StateOf(interfaceName: string, folder = SYSCTL_FOLDER): Ipv6State {
  try {
    return readFileSync(join(folder, interfaceName, 'disable_ipv6'), 'latin1').trim() === '0' ? 'on' : 'off';
  } catch {
    return 'absent';
  }
}
