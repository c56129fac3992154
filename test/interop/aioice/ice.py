"""ICE of aioice over loopback; parameters cross stdout and stdin, one JSON object a line."""

import asyncio
import json
import sys
from typing import Any

import aioice
import aioice.ice


def write(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def read() -> Any:
    return json.loads(await asyncio.get_event_loop().run_in_executor(None, sys.stdin.readline))


async def connect(role: str, address: str, **announced: str) -> tuple[aioice.Connection, dict[str, Any]]:
    """Returns when a pair is selected, with what the other side said."""
    # aioice leaves loopback out, which is all that a test may count on.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    connection = aioice.Connection(ice_controlling=role == "controlling")
    await connection.gather_candidates()
    write(
        {
            "ufrag": connection.local_username,
            "pwd": connection.local_password,
            "candidates": [c.to_sdp() for c in connection.local_candidates],
            **announced,
        }
    )
    remote = await read()
    connection.remote_username = remote["ufrag"]
    connection.remote_password = remote["pwd"]
    for sdp in remote["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(sdp))
    await connection.add_remote_candidate(None)
    await connection.connect()
    return connection, remote
