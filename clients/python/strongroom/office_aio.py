"""What the asyncio client can ask of the office: the flows of `office.py`, run by `awaiting.py`."""

from collections.abc import AsyncIterator, Iterable
from datetime import date
from typing import Unpack

from strongroom.awaiting import Driver
from strongroom.office import CaseDocument, OfficeVerbs
from strongroom.office_results import Case, CaseKind, CaseStep, ExplainedItem, Replaced
from strongroom.people import day_of, given
from strongroom.values import Given


class AsyncAboutOffice:
    """Retention explained, values corrected, cases. Part of `AsyncStrongroom`."""

    _driver: Driver
    _office: OfficeVerbs

    async def explain_retention(self, tokens: Iterable[str]) -> list[ExplainedItem]:
        """Until when each record is kept, why, and under which rule. Asking is on record.

        >>> [one] = await vault.explain_retention([token])
        >>> one.summary
        'Archive until 31 March 2035: Companies Act 2013 s. 128(5).'
        """
        return await self._driver.run(self._office.explain(tokens))

    async def replace(self, token: str, value: Given, *, reason: str) -> Replaced:
        """Put a corrected value in the place of a token's; the old one is shredded. The token stays.

        `reason` is a reference, such as a case's name: a correction case finds what was done under it.
        """
        return await self._driver.run(self._office.replace(token, value, reason))

    async def open_case(
        self, kind: CaseKind, subject: str, *, own: bool = False, due: date | None = None
    ) -> Case:
        """Receive a request; its due date runs. `own`: you ask for your own sake, so others decide.

        `due` is for a disclosure alone: when the order wants its answer.
        """
        new = given(kind=kind, subject=subject, own=own, due=day_of(due))
        return await self._driver.run(self._office.open_case(new))

    async def act_on_case(self, case_id: str, act: CaseStep, **document: Unpack[CaseDocument]) -> Case:
        """Do the next thing about a case, in the name of your credential's person.

        >>> case = await vault.open_case("erasure", "cust-8472")
        >>> await vault.act_on_case(case.case_id, "verify", how="Called back")
        >>> await vault.act_on_case(case.case_id, "evaluate")
        >>> (await vault.act_on_case(case.case_id, "decide")).decision
        '9f2c…'
        """
        return await self._driver.run(self._office.act(case_id, act, document))

    async def case(self, case_id: str) -> Case:
        """One case with all its acts: who did what, with which document. Looking is on record."""
        return await self._driver.run(self._office.case(case_id))

    async def cases(
        self, *, subject: str | None = None, open_only: bool = True, late_only: bool = False
    ) -> AsyncIterator[Case]:
        """The queue in the order in which it came, page after page.

        Raises Conflict, code `case_tampered`, on a page with a case that is not what the log says of it.
        """
        which = given(subject=subject, open_only=open_only, late_only=late_only)
        leaf = await self._driver.run(self._office.cases(which, None))
        for one in leaf.items:
            yield one
        while leaf.next is not None:
            leaf = await self._driver.run(self._office.cases(which, leaf.next))
            for one in leaf.items:
                yield one
