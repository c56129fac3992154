import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import test from 'ava';
import { IdlocError } from '../../src/base/errors.ts';
import { toStreamAddress } from '../../src/base/stream-address.ts';
import { encodeStun } from '../../src/stun/codec.ts';
import { freePort } from './support/free-port.ts';
import { Host } from './support/host.ts';
import { makeCertificateFor } from './support/named-certificate.ts';

const LISTENER = '127.0.0.1';
const REQUEST = encodeStun({ class: 'request', method: 3, transactionId: '0'.repeat(24), attributes: {} });

test('a certificate that is shown anew is what new streams see, over which members and TURN clients come; a stream that was there lives on, and a pair that is none changes nothing', async (t) => {
  const port = await freePort(LISTENER);
  const [old, renewed] = [await makeCertificateFor('a.example.org'), await makeCertificateFor('a.example.org')];
  const listen = [{ address: LISTENER, port }];
  const streams = { listen, serverName: null, alpn: ['http/1.1'], servesTurn: true, certificate: old };
  const host = await Host.start({ streams });
  const dial = async (ALPNProtocols: string[]): Promise<TLSSocket> => {
    const socket = connect({ host: LISTENER, port, ALPNProtocols, rejectUnauthorized: false });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    return socket;
  };
  const shownTo = (socket: TLSSocket): string => socket.getPeerX509Certificate()?.fingerprint256 ?? 'none';
  const printOf = ({ certificates }: typeof old): string => new X509Certificate(certificates).fingerprint256;
  /** What it says comes up, and so does the answer. */
  const isAlive = async (socket: TLSSocket): Promise<void> => {
    socket.write(REQUEST);
    const { address, port: from } = toStreamAddress({ address: LISTENER, port: socket.localPort ?? 0 });
    const heard = await host.next('stun', ({ remote }) => remote.port === from && remote.address === address);
    const answered = once(socket, 'data');
    host.plane.sendDatagram(heard.local, heard.remote, REQUEST);
    t.deepEqual((await answered)[0], Buffer.from(REQUEST));
  };

  const first = await dial(['stun.turn']);
  t.is(shownTo(first), printOf(old));
  await isAlive(first);

  host.plane.showStreamCertificate(renewed);
  for (const alpn of ['stun.turn', 'http/1.1']) {
    const later = await dial([alpn]);
    t.is(later.alpnProtocol, alpn);
    t.is(shownTo(later), printOf(renewed));
    if (alpn === 'stun.turn') await isAlive(later);
    later.destroy();
  }
  await isAlive(first);

  for (const wrong of [
    { certificates: old.certificates, key: renewed.key },
    { certificates: old.certificates, key: 'none' },
    { certificates: 'none', key: old.key },
  ])
    t.throws(() => host.plane.showStreamCertificate(wrong), { instanceOf: IdlocError, code: 'bad_stream' });
  const last = await dial(['stun.turn']);
  t.is(shownTo(last), printOf(renewed));
  for (const socket of [first, last]) {
    await isAlive(socket);
    socket.destroy();
  }
  host.plane.close();
  host.plane.showStreamCertificate(old);
});
