"""What operators watch. Labels hold verbs, planes and codes: never a tenant's data, a token or a person."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

registry = CollectorRegistry(auto_describe=True)

requests = Counter(
    "strongroom_requests_total", "Requests answered.", ["operation", "status"], registry=registry
)
seconds = Histogram(
    "strongroom_request_seconds",
    "Time from request to answer.",
    ["operation"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=registry,
)
list_items = Histogram(
    "strongroom_list_items",
    "Items gathered into one list.",
    ["verb"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    registry=registry,
)
decisions = Counter(
    "strongroom_decisions_total", "Items decided on.", ["verb", "decision"], registry=registry
)
pool_level = Gauge(
    "strongroom_dek_pool_level", "DEKs ready, for the tenant with the fewest.", registry=registry
)
freezes = Counter("strongroom_freezes_total", "Credentials frozen.", ["cause"], registry=registry)
pool_seconds_left = Gauge(
    "strongroom_dek_pool_seconds_left",
    "For how long the pool lasts without a refill at the rate of the last minute, for the worst tenant.",
    registry=registry,
)
alarms = Counter("strongroom_alarms_total", "What must wake someone.", ["code"], registry=registry)
clock_skew = Gauge(
    "strongroom_clock_skew_seconds",
    "How far this process's clock is ahead of the data database's; negative when behind.",
    registry=registry,
)
failed_logins = Counter(
    "strongroom_failed_authentications_total", "Authentications that failed.", registry=registry
)
rate_limited = Counter(
    "strongroom_rate_limited_total",
    "Requests refused because their credential sent too much.",
    registry=registry,
)
sequenced = Counter("strongroom_sequenced_events_total", "Events given their number.", registry=registry)
checkpoints = Counter("strongroom_checkpoints_total", "Checkpoints signed.", registry=registry)
log_leader = Gauge("strongroom_sequencer_leads", "1 while this process leads.", registry=registry)
log_lag = Gauge(
    "strongroom_log_lag_seconds", "Age of the oldest event that no checkpoint covers.", registry=registry
)
log_waiting = Gauge(
    "strongroom_log_waiting_events", "Events no checkpoint covers, for the worst tenant.", registry=registry
)
witness_lag = Gauge(
    "strongroom_witness_lag_seconds",
    "Age of the oldest checkpoint that this witness has not covered, for the worst tenant.",
    ["witness"],
    registry=registry,
)
reconciled = Counter(
    "strongroom_reconciled_entries_total", "Audit entries held against our events.", registry=registry
)
reconcile_incidents = Counter(
    "strongroom_reconcile_incidents_total", "What the two logs do not agree on.", ["kind"], registry=registry
)
reconcile_behind = Gauge(
    "strongroom_reconcile_seconds_behind",
    "Age of the newest audit entry judged; 0 when all are.",
    registry=registry,
)


def watch_pool(level: Callable[[], int], seconds_left: Callable[[], float]) -> None:
    """Measure this worker's pool whenever somebody asks for the metrics."""
    pool_level.set_function(level)
    pool_seconds_left.set_function(seconds_left)
