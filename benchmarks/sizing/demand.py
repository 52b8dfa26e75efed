"""What is asked of a deployment: how many people, what is done for them in a year, and at which hours."""

from dataclasses import dataclass

HOURS = (
    0.010, 0.006, 0.004, 0.004, 0.006, 0.012, 0.024, 0.040, 0.055, 0.070, 0.076, 0.076,
    0.070, 0.064, 0.062, 0.062, 0.062, 0.060, 0.058, 0.056, 0.050, 0.036, 0.023, 0.014,
)  # fmt: skip
"""The share of a day's single calls that comes in each hour. An assumption."""
DAYS = 365
HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Assumptions, all of them: put your own in."""

    name: str
    subjects: int
    values_each: int = 5
    searchable: float = 0.2
    """The share of values of a type with a blind index."""
    joining: float = 0.25
    """New subjects a year, as a share of all."""
    leaving: float = 0.10
    opened_each: float = 52.0
    """Values opened for a subject in a year: a payout a week."""
    batched: float = 0.8
    """The share of openings that come in payout batches of 1,000."""
    batch_hours: tuple[int, ...] = (1, 2, 3, 4)
    busiest_day: float = 3.0
    """Of single calls, times an average day."""
    batches_on_payday: float = 7.0
    """Of batches, times an average day: a week's payouts in one night."""

    @property
    def records(self) -> float:
        return float(self.subjects * self.values_each)

    @property
    def tokenized_a_year(self) -> float:
        return self.records * self.joining

    @property
    def opened_a_year(self) -> float:
        return self.subjects * self.opened_each

    @property
    def ended_a_year(self) -> float:
        return self.records * self.leaving

    @property
    def events_a_year(self) -> float:
        """One for each value tokenized, opened or erased."""
        return self.tokenized_a_year + self.opened_a_year + self.ended_a_year

    def rates(self, hour: int) -> dict[str, float]:
        """Values a second in an hour of the busiest day, by verb."""
        single = HOURS[hour] * self.busiest_day / DAYS / HOUR
        batch = (
            self.batches_on_payday / DAYS / len(self.batch_hours) / HOUR if hour in self.batch_hours else 0
        )
        return {
            "tokenize": self.tokenized_a_year * (1 - self.searchable) * single,
            "tokenize_indexed": self.tokenized_a_year * self.searchable * single,
            "detokenize": self.opened_a_year * (1 - self.batched) * single,
            "detokenize_bulk": self.opened_a_year * self.batched * batch,
        }


TEN_MILLION = Deployment(name="10 million subjects", subjects=10_000_000)
BILLION = Deployment(name="a billion records", subjects=200_000_000)
