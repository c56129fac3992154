import { type DigestAlgorithm, digestResponse, ha1Of } from '../../../src/sip/digest/digest.ts';
import type { DigestUser } from '../../../src/sip/digest/authenticator.ts';
import type { SipHeader, SipRequest, SipResponse } from '../../../src/sip/message/message.ts';
import type { SipNetwork } from './sip-network.ts';
import { SimPhone } from './sip-phone.ts';

export const REALM = 'home.example';
export const LAN = { address: '192.168.1.2', port: 5_060 };

export function lanUser(name: string, password: string): DigestUser {
  const ha1 = (algorithm: DigestAlgorithm): string => ha1Of(algorithm, name, REALM, password);
  return { name, ha1: { 'SHA-256': ha1('SHA-256'), MD5: ha1('MD5') } };
}

/** A phone at 192.168.1.NUMBER, which answers challenges as RFC 7616 says. */
export function lanPhone(
  network: SipNetwork,
  number: number,
  options: { readonly user?: string; readonly password?: string; readonly as?: string } = {},
): SimPhone {
  const { user = 'kitchen', password = 'secret', as = 'alice' } = options;
  const address = { address: `192.168.1.${number}`, port: 5_060 };
  const phone = new SimPhone(network, as, { address, proxy: LAN }, 1_000 + number);
  let count = 0;
  phone.credentials = ({ method, uri }: SipRequest, { status, headers }: SipResponse): SipHeader | undefined => {
    const challenge = headers.find(({ name }) => /authenticate$/i.test(name))?.value ?? '';
    const of = (name: string): string => new RegExp(`${name}="?([^",]+)`).exec(challenge)?.[1] ?? '';
    const algorithm: DigestAlgorithm = of('algorithm') === 'MD5' ? 'MD5' : 'SHA-256';
    const nonce = of('nonce');
    count += 1;
    const qop = { nc: count.toString(16).padStart(8, '0'), cnonce: 'c' };
    const response = digestResponse(algorithm, ha1Of(algorithm, user, of('realm'), password), {
      ...{ method, uri, nonce, qop },
    });
    const params = [
      ...[`username="${user}"`, `realm="${of('realm')}"`, `nonce="${nonce}"`, `uri="${uri}"`],
      ...[`response="${response}"`, `algorithm=${algorithm}`, 'qop=auth', `nc=${qop.nc}`, 'cnonce="c"'],
    ];
    const name = status === 401 ? 'Authorization' : 'Proxy-Authorization';
    return { name, value: `Digest ${params.join(', ')}` };
  };
  return phone;
}
