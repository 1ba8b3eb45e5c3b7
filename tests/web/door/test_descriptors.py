import asyncio
import re
import resource
import socket
import subprocess
import sys
from typing import Any

import pytest

from collector.web.descriptors import room

# A server with few descriptors: it says its port, then waits for its end.
SERVER = """
import asyncio, sys
from collector.logs import set_up_logs
from collector.metrics import Metrics
from collector.web.door import Door
from collector.web.listener import Listener

class Nothing:
    async def handle(self, request):
        raise AssertionError

async def main():
    set_up_logs(json=True)
    door = Door(Metrics(), 1000, lambda: 0.0)
    task = asyncio.create_task(door.run())
    listener = Listener(Nothing(), door)
    server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    task.cancel()
    print(len(door.room), server.is_serving(), flush=True)

if sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


def test_room_leaves_a_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(soft: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))

    limited(20_000)
    assert (room(0), room(50), room(30_000)) == (19_744, 50, 19_744)
    limited(300)
    assert room(0) == 150
    limited(resource.RLIM_INFINITY)
    assert room(0) > 100_000


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_process_without_descriptors_goes_on_and_does_not_fill_the_log(loop: str) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))

    command = [sys.executable, "-c", SERVER, loop]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, preexec_fn=limited, text=True, **pipes) as process:  # noqa: PLW1509 (no threads here)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for _ in range(3):
            peers = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(300)]
            asyncio.run(asyncio.sleep(0.5))
            for peer in peers:
                peer.close()
        asyncio.run(asyncio.sleep(2))
        with socket.create_connection(("127.0.0.1", port), 10) as peer:
            peer.sendall(b"NO HTTP\r\n\r\n")
            assert b" 400 " in peer.recv(4096)
        told, errors = process.communicate("")
    assert re.fullmatch(r"[01] True\n", told)
    assert len(errors.splitlines()) < 20, errors
