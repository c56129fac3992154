import { IdlocError } from '../base/errors.ts';

/** Thrown when the agent's own configuration is wrong: `FILE:LINE: key: what`. */
export class ConfigError extends IdlocError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad_config', message, options);
  }
}

/** Thrown when an overlay configuration document is malformed, not signed by the overlay's authority, or not for this node. */
export class OverlayConfigurationError extends IdlocError {
  constructor(message: string, options?: ErrorOptions) {
    super('bad_overlay_configuration', message, options);
  }
}
