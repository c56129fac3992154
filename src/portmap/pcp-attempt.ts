import { equalSecrets } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import {
  NO_ANSWER,
  type Attempt,
  type Input,
  type Lease,
  type Outcome,
  type Transmit,
  type Wanted,
} from './attempt.ts';
import { LIFETIME_S, TRIES_LIMIT_MS, TRIES_MS } from './constants.ts';
import { decodePcpAnswer, encodeMapRequest, pcpResultName, type PcpAnswer } from './pcp.ts';
import { Tries } from './tries.ts';

const ANY_ADDRESS = '0.0.0.0';

/** Asks by the Port Control Protocol (RFC 6887). */
export class PcpAttempt implements Attempt {
  readonly protocol = 'pcp';
  outcome: Outcome | undefined;
  private readonly wanted: Wanted;
  private readonly removes: boolean;
  private readonly request: Uint8Array;
  private readonly tries: Tries;
  private readonly out: Transmit[] = [];

  /** @param what.had the mapping that is renewed; `removes`: it is taken away. */
  constructor(wanted: Wanted, now: number, what: { readonly had?: SocketAddress; readonly removes?: boolean } = {}) {
    this.wanted = wanted;
    this.removes = what.removes ?? false;
    this.request = encodeMapRequest({
      client: wanted.local,
      lifetimeS: this.removes ? 0 : LIFETIME_S,
      nonce: wanted.nonce,
      internalPort: wanted.port,
      suggested: what.had ?? { address: ANY_ADDRESS, port: wanted.port },
    });
    this.tries = new Tries(TRIES_MS, TRIES_LIMIT_MS, now);
    this.handleTimeout(now);
  }

  input(input: Input): void {
    if (this.outcome !== undefined) return;
    if (input.type === 'refused') this.outcome = NO_ANSWER;
    if (input.type !== 'gateway') return;
    try {
      this.outcome = this.judge(decodePcpAnswer(input.data));
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
    }
  }

  pollTransmit(): Transmit | undefined {
    return this.out.shift();
  }

  nextTimeout(): number | undefined {
    return this.outcome === undefined ? this.tries.nextTimeout() : undefined;
  }

  handleTimeout(now: number): void {
    if (this.outcome !== undefined) return;
    if (this.tries.over(now)) this.outcome = NO_ANSWER;
    else if (this.tries.due(now)) this.out.push({ type: 'gateway', data: this.request });
  }

  private judge(answer: PcpAnswer): Outcome | undefined {
    const refused = (why: string): Outcome => ({ ok: false, heard: true, why });
    switch (answer.type) {
      case 'announce':
        return undefined;
      case 'otherVersion':
        // NAT-PMP's router, which is no refusal.
        return { ok: false, heard: false, why: `version ${answer.version}` };
      case 'error':
        return refused(pcpResultName(answer.result));
      case 'map': {
        const { wanted } = this;
        if (!equalSecrets(answer.nonce, wanted.nonce) || answer.internalPort !== wanted.port) return undefined;
        if (answer.result !== 0) return refused(pcpResultName(answer.result));
        if (this.removes) return { ok: true, lease: undefined };
        const { external, lifetimeS, epochS } = answer;
        if (external.port === 0 || external.address.includes(':') || lifetimeS === 0)
          return refused('an answer without a mapping');
        return { ok: true, lease: this.lease(external, lifetimeS, epochS) };
      }
    }
  }

  private lease(external: SocketAddress, lifetimeS: number, epochS: number): Lease {
    const { wanted } = this;
    return {
      ...{ protocol: 'pcp', external, lifetimeS, epochS },
      renewal: (now) => new PcpAttempt(wanted, now, { had: external }),
      removal: (now) => new PcpAttempt(wanted, now, { had: external, removes: true }),
    };
  }
}
