import { messageOf } from '../base/errors.ts';
import type { LogFields, Logger } from '../base/logger.ts';
import { parseSocketAddress, type SocketAddress } from '../base/socket-address.ts';

/** What a library tells of its own trouble by. */
interface Troubled {
  on(event: 'error' | 'warning', listener: (error: unknown) => void): unknown;
}

/** What places have in common that a library reaches: whom they tell what they find, and that its errors are logged and end nothing. */
export abstract class LoggedPlace {
  abstract readonly name: string;
  protected readonly logger: Logger;
  private handler: (address: SocketAddress) => void = () => undefined;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  onFound(handler: (address: SocketAddress) => void): void {
    this.handler = handler;
  }

  protected logTrouble(library: Troubled, fields: LogFields = {}): void {
    for (const event of ['error', 'warning'] as const)
      library.on(event, (error) => {
        this.logger.debug(this.name, { event, ...fields, err: messageOf(error) });
      });
  }

  /** @param text `host:port`, from a stranger. */
  protected found(text: string, fields: LogFields = {}): void {
    const address = parseSocketAddress(text);
    if (address === undefined) return;
    this.logger.debug(`${this.name}.found`, { ...fields, addr: text });
    this.handler(address);
  }
}
