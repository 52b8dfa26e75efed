"""Events by month, so that bodies and salts can be dropped after their retention; events that are sealed.

On PostgreSQL `event` is partitioned by its time-ordered id, and three functions are all that the role for
retention may do. They run with the rights of the tables' owner and check for themselves.
"""

from datetime import UTC, datetime
from itertools import pairwise

import sqlalchemy as sa
from alembic import op

from vault.store.schema import db_clock

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AHEAD = 12
_COPIED = """
    INSERT INTO event (tenant, event_id, list_id, position, commitment, salt, body, token, subject, actor,
        verb, decision, purpose, recorded_at)
    SELECT tenant, event_id, list_id, position, commitment, salt, body, token, subject, actor,
        verb, decision, purpose, recorded_at
    FROM event_whole"""
_INDEXES = {
    "event_token": ["tenant", "token", "event_id"],
    "event_subject": ["tenant", "subject", "event_id"],
    "event_list": ["tenant", "list_id"],
}


def upgrade() -> None:
    op.create_table(
        "events_dropped",
        sa.Column("until", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dropped_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("until"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _partition()
    else:
        op.add_column("event", sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False))


def _partition() -> None:
    for name in _INDEXES:
        op.drop_index(name, "event")
    op.rename_table("event", "event_whole")
    op.execute("ALTER TABLE event_whole RENAME CONSTRAINT event_pkey TO event_whole_pkey")
    _event()
    for name, columns in _INDEXES.items():
        op.create_index(name, "event", columns)
    op.execute("CREATE TABLE event_default PARTITION OF event DEFAULT")
    for name, statement in _FUNCTIONS.items():
        op.execute(statement)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    _past_months()
    op.execute(f"SELECT strongroom_make_event_months({AHEAD})")
    op.execute(_COPIED)
    op.drop_table("event_whole")


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("tenant", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("list_id", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("token", sa.String(length=80), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=65), nullable=False),
        sa.Column("verb", sa.String(length=16), nullable=False),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), server_default=db_clock(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "event_id"),
        postgresql_partition_by="RANGE (event_id)",
    )


def _past_months() -> None:
    """A partition for each month between the first and the last event there is, up to this month."""
    first = op.get_bind().scalar(sa.text("SELECT min(event_id) FROM event_whole"))
    if first is None:
        return
    begin = datetime.fromtimestamp(int.from_bytes(first[:7]) / 1e6, UTC)
    now = datetime.now(UTC)
    # What a wrong clock dated before the product existed goes to the default partition.
    begin = max(begin, datetime(2025, 1, 1, tzinfo=UTC))
    numbers = range(12 * begin.year + begin.month - 1, 12 * now.year + now.month)
    for low, high in pairwise(datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in numbers):
        bounds = [(int(one.timestamp()) * 1_000_000).to_bytes(7) + bytes(9) for one in (low, high)]
        op.execute(
            f"CREATE TABLE event_{low:%Y_%m} PARTITION OF event"
            f" FOR VALUES FROM ('\\x{bounds[0].hex()}') TO ('\\x{bounds[1].hex()}')"
        )


_FUNCTIONS = {
    "strongroom_event_bound(date)": """
CREATE FUNCTION strongroom_event_bound(month date) RETURNS bytea
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    -- The smallest event id of a month: seven bytes of microseconds, then zeros.
    SELECT substring(int8send((extract(epoch FROM month::timestamptz) * 1000000)::bigint) FROM 2)
        || decode(repeat('00', 9), 'hex')
$$""",
    "strongroom_event_month(bytea)": """
CREATE FUNCTION strongroom_event_month(event_id bytea) RETURNS date
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    SELECT date_trunc('month', to_timestamp(
        ('x0' || encode(substring(event_id FROM 1 FOR 7), 'hex'))::bit(60)::bigint / 1000000.0))::date
$$""",
    "strongroom_make_event_months(integer)": """
CREATE FUNCTION strongroom_make_event_months(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    made integer := 0; month date; low bytea; high bytea; name text;
BEGIN
    IF ahead NOT BETWEEN 0 AND 36 THEN
        RAISE EXCEPTION 'months ahead are 0 to 36';
    END IF;
    FOR step IN 0 .. ahead LOOP
        month := (date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => step))::date;
        low := strongroom_event_bound(month);
        high := strongroom_event_bound((month + interval '1 month')::date);
        name := 'event_' || to_char(month, 'YYYY_MM');
        -- A month that has rows in the default partition stays there, and is dropped from there.
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL OR EXISTS (
            SELECT FROM public.event_default d WHERE d.event_id >= low AND d.event_id < high);
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.event FOR VALUES FROM (%L) TO (%L)',
            name, low, high);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$""",
    "strongroom_events_of(date)": """
CREATE FUNCTION strongroom_events_of(month date)
RETURNS TABLE (tenant varchar, events bigint, uncovered bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    low bytea := strongroom_event_bound(month);
    high bytea := strongroom_event_bound((month + interval '1 month')::date);
BEGIN
    -- Covered: a leaf below the newest checkpoint says all that will be left of the event.
    RETURN QUERY
        SELECT e.tenant, count(*), count(*) FILTER (WHERE l.idx IS NULL OR h.size IS NULL OR l.idx >= h.size)
        FROM public.event e
        LEFT JOIN public.leaf l ON l.tenant = e.tenant AND l.event_id = e.event_id
            AND l.commitment = e.commitment AND l.list_id = e.list_id AND l.position = e.position
        LEFT JOIN LATERAL (
            SELECT max(c.size) AS size FROM public.checkpoint c WHERE c.tenant = e.tenant) h ON true
        WHERE e.event_id >= low AND e.event_id < high
        GROUP BY e.tenant ORDER BY e.tenant;
END $$""",
    "strongroom_expired_events(integer)": """
CREATE FUNCTION strongroom_expired_events(floor_months integer)
RETURNS TABLE (month date, tenant varchar, events bigint, uncovered bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    past bytea := strongroom_event_bound(current_date);
BEGIN
    FOR month IN
        SELECT to_date(substring(c.relname FROM 7), 'YYYY_MM')
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.event'::regclass AND c.relname ~ '^event_[0-9]{4}_[0-9]{2}$'
        UNION
        SELECT strongroom_event_month(d.event_id) FROM public.event_default d WHERE d.event_id < past
        ORDER BY 1
    LOOP
        CONTINUE WHEN month + make_interval(months => 1 + floor_months) > now() AT TIME ZONE 'UTC';
        RETURN QUERY SELECT strongroom_expired_events.month, x.* FROM strongroom_events_of(month) x;
        IF NOT FOUND THEN
            tenant := NULL; events := 0; uncovered := 0;
            RETURN NEXT;
        END IF;
    END LOOP;
END $$""",
    "strongroom_drop_events(date)": """
CREATE FUNCTION strongroom_drop_events(month date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    name text := 'event_' || to_char(month, 'YYYY_MM');
    low bytea := strongroom_event_bound(month);
    high bytea := strongroom_event_bound((month + interval '1 month')::date);
    dropped bigint; missing bigint;
BEGIN
    -- Whoever holds this role cannot go below the legal minimum, whatever a setting says.
    IF month <> date_trunc('month', month)::date
        OR month + interval '13 months' > now() AT TIME ZONE 'UTC' THEN
        RAISE EXCEPTION 'not a month that is twelve months past' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF to_regclass('public.' || name) IS NULL THEN
        name := 'event_default';
    END IF;
    -- Nothing may come in between the look and the drop.
    EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', name);
    SELECT coalesce(sum(events), 0), coalesce(sum(uncovered), 0) INTO dropped, missing
        FROM strongroom_events_of(month);
    IF missing > 0 THEN
        RAISE EXCEPTION 'events that no checkpoint covers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF name = 'event_default' THEN
        DELETE FROM public.event_default d WHERE d.event_id >= low AND d.event_id < high;
    ELSE
        EXECUTE format('DROP TABLE public.%I', name);
    END IF;
    INSERT INTO public.events_dropped (until)
        VALUES ((extract(epoch FROM (month + interval '1 month') AT TIME ZONE 'UTC') * 1000000)::bigint)
        ON CONFLICT DO NOTHING;
    RETURN dropped;
END $$""",
}
