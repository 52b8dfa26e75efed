"""A witness that is killed at a chosen step of its next submission. Run as a program by tests.

`python mortal_witness.py DIR STEP` answers the submission on its standard input, and writes the answer to its
standard output; at STEP it is killed by signal 9, as a power cut would.
"""

import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom_witness.folder import Folder

STEPS = ("begin", "last", "remember", "commit", "committed", "sign", "signed", "never")


def passing(step):
    """The witness comes to this step; the last thing it does if it is the chosen one."""
    if sys.argv[2] == step:
        os.kill(os.getpid(), signal.SIGKILL)


class MortalUnit:
    def __init__(self, unit):
        self.unit = unit

    def last(self, origin):
        found = self.unit.last(origin)
        passing("last")
        return found

    def remember(self, head, *, time):
        self.unit.remember(head, time=time)
        passing("remember")

    def commit(self):
        passing("commit")
        self.unit.commit()
        passing("committed")


class MortalState:
    def __init__(self, state):
        self.state, self.keys = state, state.keys

    @contextmanager
    def begin(self):
        with self.state.begin() as unit:
            passing("begin")
            yield MortalUnit(unit)


@dataclass
class MortalCosigner:
    cosigner: object

    def line(self, text, *, time):
        passing("sign")
        line = self.cosigner.line(text, time=time)
        passing("signed")
        return line


def main():
    whole = Folder(Path(sys.argv[1])).witness(lambda: 1_800_000_000, lambda _: None)
    mortal = replace(whole, state=MortalState(whole.state), cosigner=MortalCosigner(whole.cosigner))
    answer = mortal.add_checkpoint(sys.stdin.buffer.read())
    sys.stdout.write(f"{answer.status}\n{answer.body}")


if __name__ == "__main__":
    main()
