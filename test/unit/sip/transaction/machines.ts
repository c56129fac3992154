import type { Timed } from '../../../../src/base/clock.ts';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import type { SipMessage } from '../../../../src/sip/message/message.ts';
import type { ClientPorts, ServerPorts } from '../../../../src/sip/transaction/transaction.ts';

export const UDP: SipFlow = {
  ...{ transport: 'udp', local: { address: '198.18.0.9', port: 5062 }, remote: { address: '198.18.0.1', port: 5060 } },
  key: 'udp',
};
export const TCP: SipFlow = { ...UDP, transport: 'tcp', key: 'tcp' };

/** What a machine sent and said, each with its time: `500 INVITE`, `1500 heard 180`. */
export class Journal {
  now = 0;
  readonly lines: string[] = [];
  readonly client: ClientPorts = {
    send: (message) => this.sent(message),
    cancel: (message) => this.sent(message),
    onProvisional: ({ status }) => this.write(`heard ${status}`),
    onFinal: ({ status }) => this.write(`heard ${status}`),
    onTimeout: () => this.write('timeout'),
    onTransportError: () => this.write('transport error'),
  };
  readonly server: ServerPorts = {
    send: (message) => this.sent(message),
    onFailure: (reason) => this.write(reason),
  };

  /** Lets time go by, calling the machine whenever it wants to be called. */
  run(machine: Timed, ms: number): void {
    const end = this.now + ms;
    for (let at = machine.nextTimeout(); at !== undefined && at <= end; at = machine.nextTimeout()) {
      this.now = at;
      machine.handleTimeout(at);
    }
    this.now = end;
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }

  private sent(message: SipMessage): void {
    this.write(message.type === 'request' ? message.method : String(message.status));
  }

  private write(what: string): void {
    this.lines.push(`${this.now} ${what}`);
  }
}
