"""The one thing a witness does: answer a submission with a cosignature, or with why not."""

from collections.abc import Callable
from dataclasses import dataclass

from strongroom_audit.plain import clean
from strongroom_audit.verifier.notes import Checkpoint, read_checkpoint, read_note

from strongroom_witness.cosigner import Cosigner
from strongroom_witness.evidence import Evidence
from strongroom_witness.faults import BadSignature, Fault, Malformed
from strongroom_witness.judgement import Continues, Forked, Last, OtherSize, judge
from strongroom_witness.state import State
from strongroom_witness.submission import LARGEST_SIZE, Submission, read_submission

SIZE = "text/x.tlog.size"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body, and its content type."""

    status: int
    body: str
    kind: str = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The witness: its key, its memory, and what it says aloud."""

    cosigner: Cosigner
    state: State
    evidence: Evidence
    clock: Callable[[], int]
    """Seconds since 1970."""
    say: Callable[[str], None]

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign a checkpoint that continues what was cosigned before. It is remembered first.

        Raises: Unusable when it cannot be remembered; nothing is signed then.
        """
        try:
            asked = read_submission(body)
        except Malformed as fault:
            return _refusal(400, fault)
        keys = self.state.keys(asked.origin)
        if not keys:
            return Answer(404, "this log is not witnessed here\n")
        try:
            head = read_checkpoint(asked.note, keys)
        except BadSignature as fault:
            return _refusal(403, fault)
        except Malformed as fault:
            return _refusal(400, fault)
        if not asked.old <= head.size <= LARGEST_SIZE:
            return Answer(400, "the old size is larger than the checkpoint's, or that is larger than any\n")
        return self._answer(asked, head, body)

    def _answer(self, asked: Submission, head: Checkpoint, body: bytes) -> Answer:
        time = self.clock()
        with self.state.begin() as unit:
            last = unit.last(head.origin)
            verdict = judge(last, head, asked)
            if isinstance(verdict, Continues):
                unit.remember(head, time=time)
                unit.commit()
        if isinstance(verdict, Continues):
            return self._cosign(head, time)
        if isinstance(verdict, OtherSize):
            return Answer(409, f"{last.size}\n", SIZE)
        if isinstance(verdict, Forked):
            return self._alarm(verdict, last, head, body)
        self._doubt(last, head, body)
        return Answer(422, "the proof does not lead from the old checkpoint to the new one\n")

    def _cosign(self, head: Checkpoint, time: int) -> Answer:
        line = self.cosigner.line(read_note(head.note).text, time=time)
        self.say(f"cosigned {head.origin} at {head.size}")
        return Answer(200, line)

    def _alarm(self, fork: Forked, last: Last, head: Checkpoint, body: bytes) -> Answer:
        what = f"HISTORY CHANGED: {head.origin}: {fork.how}"
        self.evidence.alarm(clean(what), time=self.clock(), cosigned=last.note, refused=body)
        self.say(f"ALARM: {what}; both checkpoints are in the file ALARM")
        if fork.same_size:
            return Answer(409, f"{last.size}\n", SIZE)
        return Answer(422, "the checkpoint contradicts the one cosigned before\n")

    def _doubt(self, last: Last, head: Checkpoint, body: bytes) -> None:
        what = f"{head.origin}: nothing shows that {head.size} continues {last.size}"
        self.evidence.refusal(clean(what), time=self.clock(), cosigned=last.note, refused=body)
        self.say(f"refused: {what}; see the file REFUSED")


def _refusal(status: int, fault: Fault) -> Answer:
    return Answer(status, f"{clean(str(fault))}\n")
