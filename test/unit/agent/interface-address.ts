import type { InterfaceAddress } from '../../../src/native/data-plane.ts';

/** Up, in use, of hardware unless `kind` says otherwise. */
export function on(
  interfaceName: string,
  address: string,
  kind = '',
  portKinds: readonly string[] = [],
): InterfaceAddress {
  return {
    interfaceName,
    address,
    prefixLength: 24,
    usable: true,
    deprecated: false,
    loopback: false,
    kind,
    portKinds,
  };
}
