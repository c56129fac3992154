"""aioice with DTLS by pyOpenSSL as the peer of an interop test: dtls_peer.py ROLE ADDRESS.

One JSON object a line, ours on stdout, the other's on stdin: parameters with fingerprints (SHA-256, hexadecimal); then
{"connected", "exporter", "suite"} is written. The controlling side is the DTLS server. Every record comes back as it was.
A further line on stdin closes the association; its end, by whomever, is written as {"closed": REASON}.
"""

import asyncio
import datetime
import sys

import ice
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

EXPORTER_LABEL = b"EXPORTER-idloc-link"
EXPORTER_BYTES = 32
RECORD_HEADER_BYTES = 13


def make_certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "aioice")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    return builder.sign(key, hashes.SHA256()), key


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def records(flight: bytes) -> list[bytes]:
    """What OpenSSL wrote at once, by the length in each header (RFC 6347 s4.1)."""
    found = []
    while flight:
        end = RECORD_HEADER_BYTES + int.from_bytes(flight[11:13], "big")
        found.append(flight[:end])
        flight = flight[end:]
    return found


class Association:
    def __init__(self, connection, context: SSL.Context, server: bool) -> None:
        self.connection = connection
        self.ssl = SSL.Connection(context)
        self.ssl.set_ciphertext_mtu(1200)
        if server:
            self.ssl.set_accept_state()
        else:
            self.ssl.set_connect_state()

    async def flush(self) -> None:
        try:
            flight = self.ssl.bio_read(1 << 16)
        except SSL.WantReadError:
            return
        for record in records(flight):
            await self.connection.send(record)

    async def handshake(self) -> None:
        while True:
            try:
                self.ssl.do_handshake()
                return await self.flush()
            except SSL.WantReadError:
                await self.flush()
            try:
                self.ssl.bio_write(await asyncio.wait_for(self.connection.recv(), self.ssl.DTLSv1_get_timeout()))
            except asyncio.TimeoutError:
                self.ssl.DTLSv1_handle_timeout()

    async def echo(self) -> str:
        while True:
            self.ssl.bio_write(await self.connection.recv())
            try:
                while True:
                    self.ssl.send(self.ssl.recv(2048))
                    await self.flush()
            except SSL.WantReadError:
                pass
            except SSL.ZeroReturnError:
                return "close_notify"

    async def close(self) -> str:
        await ice.read()
        self.ssl.shutdown()
        await self.flush()
        return "by us"


async def main(role: str, address: str) -> None:
    certificate, key = make_certificate()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256")
    connection, remote = await ice.connect(role, address, fingerprint=fingerprint(certificate))

    def verify(_, presented, error, depth, ok) -> bool:
        return depth > 0 or fingerprint(presented.to_cryptography()) == remote["fingerprint"]

    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    association = Association(connection, context, role == "controlling")
    await association.handshake()
    exporter = association.ssl.export_keying_material(EXPORTER_LABEL, EXPORTER_BYTES)
    ice.write({"connected": True, "exporter": exporter.hex(), "suite": association.ssl.get_cipher_name()})
    ends = [asyncio.create_task(association.echo()), asyncio.create_task(association.close())]
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    ice.write({"closed": done.pop().result()})


asyncio.run(main(sys.argv[1], sys.argv[2]))
