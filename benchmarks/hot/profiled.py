"""`strongroom`, with a sampler in every process that it forks: `python -m benchmarks.hot.profiled serve …`.

Nothing of the product is changed; what it forks has a timer and a thread more. BENCH_SAMPLES names the
folder.
"""

import os
from pathlib import Path

from benchmarks.hot.sampler import Sampler
from vault.cli.main import main

FOLDER = "BENCH_SAMPLES"


def _begin() -> None:
    Sampler(Path(os.environ[FOLDER]), os.getpid()).begin()


if __name__ == "__main__":
    os.register_at_fork(after_in_child=_begin)
    main()
