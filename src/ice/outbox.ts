import type { IceTransmit } from './agent-options.ts';
import type { IceEvent } from './path.ts';

/** What an agent wants done: datagrams that are to be sent, events that somebody waits for. In order. */
export class Outbox {
  private transmits: IceTransmit[] = [];
  private events: IceEvent[] = [];

  send(transmit: IceTransmit): void {
    this.transmits.push(transmit);
  }

  tell(event: IceEvent): void {
    this.events.push(event);
  }

  pollTransmit(): IceTransmit | undefined {
    return this.transmits.shift();
  }

  pollEvent(): IceEvent | undefined {
    return this.events.shift();
  }

  clear(): void {
    this.transmits = [];
    this.events = [];
  }
}
