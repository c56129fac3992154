import { MAX_SERVICES } from './constants.ts';
import { gatewayUrl } from './ssdp.ts';
import { readXmlFields } from './xml-fields.ts';

/** WANIPConnection:1 and :2 (IGD:1, IGD:2), and WANPPPConnection:1 of routers that dial. */
const CONNECTION = /^urn:schemas-upnp-org:service:(WANIPConnection|WANPPPConnection):\d+$/;

export interface ConnectionService {
  readonly type: string;
  /** Of the gateway. */
  readonly controlUrl: string;
}

/**
 * The services of a gateway that map ports (UPnP Device Architecture s2.3), in the order of the document, WANIPConnection first.
 * @param location where the document came from.
 * @throws {MalformedMessageError}
 */
export function readConnectionServices(document: Uint8Array, location: string, gateway: string): ConnectionService[] {
  let base = location;
  let type = '';
  let control = '';
  const found: { type: string; control: string }[] = [];
  for (const { path, text } of readXmlFields(document)) {
    const [parent, name] = path.slice(-2);
    if (path.length === 2 && name === 'URLBase' && text !== '') base = text;
    else if (parent === 'service' && name === 'serviceType') type = text;
    else if (parent === 'service' && name === 'controlURL') control = text;
    else if (name === 'service') {
      if (CONNECTION.test(type) && control !== '') found.push({ type, control });
      type = control = '';
    }
  }
  const services = found.flatMap((service) => {
    // A URLBase of an address that it does not have here any more is not rare.
    const controlUrl = gatewayUrl(service.control, gateway, base) ?? gatewayUrl(service.control, gateway, location);
    return controlUrl === undefined ? [] : [{ type: service.type, controlUrl }];
  });
  const rank = (service: ConnectionService): number => (service.type.includes('WANIP') ? 0 : 1);
  return services.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_SERVICES);
}
