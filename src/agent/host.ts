import type { Logger } from '../base/logger.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { DnsServer } from '../dns/dns-server.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { KeyStore } from '../identity/key-store.ts';
import type { StateDirectory } from '../identity/state-directory.ts';
import type { Guard } from './guard.ts';
import type { StreamCertificateKeeper } from './stream-certificate-keeper.ts';

/** What stays while the host goes from one overlay to another. */
export interface Host {
  readonly config: AgentConfig;
  readonly state: StateDirectory;
  readonly store: KeyStore;
  readonly identity: HostIdentity;
  readonly logger: Logger;
  readonly guard: Guard;
  /** undefined: no DNS stub. */
  readonly dns: { readonly server: DnsServer; readonly listen: SocketAddress } | undefined;
  /** Descriptors of sockets for streams that listen already (systemd's idloc-stream.socket). */
  readonly streamSockets: readonly number[];
  /** undefined: none is configured, or nothing is accepted. */
  readonly streamCertificate: StreamCertificateKeeper | undefined;
  /** Aborted when the agent is to stop. */
  readonly stop: AbortSignal;
}
