"""aioice as the peer of an interop test: peer.py ROLE ADDRESS. One JSON object a line, ours on stdout, the other's on stdin.

Afterwards it sends "hello" on the selected pair, and every datagram it gets it sends back after "echo ".
"""

import asyncio
import sys

import ice


async def main(role: str, address: str) -> None:
    connection, _ = await ice.connect(role, address)
    ice.write({"connected": True})
    await connection.send(b"hello")
    while True:
        await connection.send(b"echo " + await connection.recv())


try:
    asyncio.run(main(sys.argv[1], sys.argv[2]))
except ConnectionError as error:
    ice.write({"connected": False, "reason": str(error)})
