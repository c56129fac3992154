import { IdlocError } from '../base/errors.ts';

/**
 * What the process ends with. A service manager starts again what failed for the moment; not what stays as it is until somebody
 * changes something (systemd/idloc.service, RestartPreventExitStatus). 77 and 78 are EX_NOPERM and EX_CONFIG of sysexits.h.
 */
export const EXIT = {
  failed: 1,
  usage: 2,
  /** The ticket, the membership or its files are no good. */
  membership: 77,
  /** The settings are wrong, or ask for what this host cannot give. */
  configuration: 78,
} as const;

/** By the code of the error; every other one is `failed`. What another program has, or a disk lacks, is well in a moment. */
const PERMANENT: Readonly<Record<string, number>> = {
  // The ticket, and what is in the state directory.
  bad_ticket: EXIT.membership,
  enrollment_refused: EXIT.membership,
  revoked: EXIT.membership,
  bad_state: EXIT.membership,
  broken_state: EXIT.membership,
  bad_certificate: EXIT.membership,
  bad_overlay_configuration: EXIT.membership,
  // Settings.
  bad_config: EXIT.configuration,
  bad_overlay: EXIT.configuration,
  bad_user: EXIT.configuration,
  other_overlay: EXIT.configuration,
  bad_tun_name: EXIT.configuration,
  bad_mtu: EXIT.configuration,
  bad_socket: EXIT.configuration,
  bad_stream: EXIT.configuration,
  dns_listen: EXIT.configuration,
  // What the host does not give: a capability, a build.
  no_privilege: EXIT.configuration,
  EACCES: EXIT.configuration,
  EPERM: EXIT.configuration,
  no_addon: EXIT.configuration,
};

export function exitStatusOf(error: unknown): number {
  return (error instanceof IdlocError ? PERMANENT[error.code] : undefined) ?? EXIT.failed;
}
