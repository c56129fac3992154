"""aioice as the peer of an interop test: peer.py ROLE ADDRESS. One JSON object a line, ours on stdout, the other's on stdin.

Afterwards it sends "hello" on the selected pair, and every datagram it gets it sends back after "echo ".
"""

import asyncio
import json
import sys

import aioice
import aioice.ice


async def main(role: str, address: str) -> None:
    # aioice leaves loopback out, which is all that a test may count on.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    connection = aioice.Connection(ice_controlling=role == "controlling")
    await connection.gather_candidates()
    print(
        json.dumps(
            {
                "ufrag": connection.local_username,
                "pwd": connection.local_password,
                "candidates": [c.to_sdp() for c in connection.local_candidates],
            }
        ),
        flush=True,
    )
    line = await asyncio.get_event_loop().run_in_executor(None, sys.stdin.readline)
    remote = json.loads(line)
    connection.remote_username = remote["ufrag"]
    connection.remote_password = remote["pwd"]
    for sdp in remote["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(sdp))
    await connection.add_remote_candidate(None)
    await connection.connect()
    print(json.dumps({"connected": True}), flush=True)
    await connection.send(b"hello")
    while True:
        await connection.send(b"echo " + await connection.recv())


try:
    asyncio.run(main(sys.argv[1], sys.argv[2]))
except ConnectionError as error:
    print(json.dumps({"connected": False, "reason": str(error)}), flush=True)
