"""How fast `strongroom-audit mirror` takes a log from a server on this machine.

    python -m benchmarks.audit_mirror DIR      DIR is a mirror that audit_verify.py made

A second process serves DIR over the audit plane's HTTP with as little work as it can (tests/fakes); the
mirror goes to a temporary folder. Figures are the client's: fetching, verifying and writing together, its
fsyncs included.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from strongroom_audit.updating import Watcher, update

ROOT = Path(__file__).parents[1]


def main() -> None:
    os.environ.update(STRONGROOM_CLIENT_ID="acme.audit", STRONGROOM_CLIENT_SECRET="srs_secret")
    command = [sys.executable, "-m", "tests.fakes.audit_server", sys.argv[1]]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server,
    ):
        url = server.stdout.readline().strip() if server.stdout else ""
        wall, cpu = time.perf_counter(), time.process_time()
        watcher = Watcher(lambda _done, _all: None, print)
        done = update(url, Path(folder), "acme", keys=[], accept=False, watcher=watcher)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        server.terminate()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{done.size:,} events, {len(done.faults)} faults: {wall:.2f} s wall, {cpu:.2f} s CPU of the client"
    )
    print(f"{done.size / wall:,.0f} events/s, {memory:.0f} MiB resident")


if __name__ == "__main__":
    main()
