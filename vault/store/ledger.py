"""The ledger: every table of acts, as one thing that a plane is given."""

from sqlalchemy.ext.asyncio import AsyncEngine

from vault.store.cases import Cases
from vault.store.consents import Consents
from vault.store.freezes import Freezes
from vault.store.holds import Holds
from vault.store.honey import Honey
from vault.store.lives import Lives
from vault.store.notices import Notices
from vault.store.recipients import Disclosures, Recipients
from vault.store.subjects import Subjects


class Ledger:
    """What people were told and said, and what the office decided. A plane touches what its role may."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.notices = Notices(engine)
        self.consents = Consents(engine)
        self.cases = Cases(engine)
        self.subjects = Subjects(engine)
        self.holds = Holds(engine)
        self.honey = Honey(engine)
        self.freezes = Freezes(engine)
        self.lives = Lives(engine)
        self.recipients = Recipients(engine)
        self.disclosures = Disclosures(engine)
