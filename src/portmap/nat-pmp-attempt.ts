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
import {
  decodeNatPmpAnswer,
  encodeAddressRequest,
  encodeMappingRequest,
  natPmpResultName,
  type NatPmpAnswer,
} from './nat-pmp.ts';
import { Tries } from './tries.ts';

/** Asks by NAT-PMP (RFC 6886): for the router's address first, then for the mapping; one request at a time. */
export class NatPmpAttempt implements Attempt {
  readonly protocol = 'nat-pmp';
  outcome: Outcome | undefined;
  private readonly wanted: Wanted;
  private readonly removes: boolean;
  private readonly externalPort: number;
  private address: string | undefined;
  private tries: Tries;
  private readonly out: Transmit[] = [];

  /** @param what.externalPort of the mapping that is renewed; `removes`: it is taken away. */
  constructor(wanted: Wanted, now: number, what: { readonly externalPort?: number; readonly removes?: boolean } = {}) {
    this.wanted = wanted;
    this.removes = what.removes ?? false;
    this.externalPort = what.externalPort ?? wanted.port;
    this.tries = new Tries(TRIES_MS, TRIES_LIMIT_MS, now);
    this.handleTimeout(now);
  }

  input(input: Input, now: number): void {
    if (this.outcome !== undefined) return;
    if (input.type === 'refused') this.outcome = NO_ANSWER;
    if (input.type !== 'gateway') return;
    try {
      this.judge(decodeNatPmpAnswer(input.data), now);
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
    else if (this.tries.due(now)) this.out.push({ type: 'gateway', data: this.request() });
  }

  private get step(): 'address' | 'mapping' {
    return this.removes || this.address !== undefined ? 'mapping' : 'address';
  }

  private request(): Uint8Array {
    if (this.step === 'address') return encodeAddressRequest();
    const internalPort = this.wanted.port;
    if (this.removes) return encodeMappingRequest({ internalPort, externalPort: 0, lifetimeS: 0 });
    return encodeMappingRequest({ internalPort, externalPort: this.externalPort, lifetimeS: LIFETIME_S });
  }

  private judge(answer: NatPmpAnswer, now: number): void {
    const { step } = this;
    if (answer.type === 'error') {
      if (answer.to === step) this.refuse(natPmpResultName(answer.result));
    } else if (answer.type !== step) return;
    else if (answer.type === 'address') {
      this.address = answer.address;
      this.tries = new Tries(TRIES_MS, TRIES_LIMIT_MS, now);
      this.handleTimeout(now);
    } else if (answer.internalPort === this.wanted.port) this.mapped(answer);
  }

  private mapped({ externalPort, lifetimeS, epochS }: NatPmpAnswer & { type: 'mapping' }): void {
    if (this.removes) this.outcome = { ok: true, lease: undefined };
    else if (externalPort === 0 || lifetimeS === 0 || this.address === undefined)
      this.refuse('an answer without a mapping');
    else
      this.outcome = {
        ok: true,
        lease: this.lease({ address: this.address, port: externalPort }, lifetimeS, epochS),
      };
  }

  private refuse(why: string): void {
    this.outcome = { ok: false, heard: true, why };
  }

  private lease(external: SocketAddress, lifetimeS: number, epochS: number): Lease {
    const { wanted } = this;
    return {
      ...{ protocol: 'nat-pmp', external, lifetimeS, epochS },
      renewal: (now) => new NatPmpAttempt(wanted, now, { externalPort: external.port }),
      removal: (now) => new NatPmpAttempt(wanted, now, { removes: true }),
    };
  }
}
