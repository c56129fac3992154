/** How a gateway and its provider stand, for people and programs. */
export interface TrunkState {
  /** The provider's. */
  readonly domain: string;
  /** `peer`: calls pass without a registration. `failed`: none do, and it is tried again. */
  readonly state: 'registering' | 'registered' | 'peer' | 'failed';
  /** Of `failed`: `403 Forbidden`. */
  readonly why: string | null;
}
