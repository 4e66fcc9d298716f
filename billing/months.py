from datetime import UTC, date, datetime, timedelta

LATE = timedelta(days=35)  # what is recorded as late still lands in its month; after that the month is closed


def month_of(moment: datetime) -> date:
    """The first day of the calendar month in UTC: quota periods do not follow a tenant's time zone."""
    return moment.astimezone(UTC).date().replace(day=1)


def this_month() -> date:
    return month_of(datetime.now(UTC))


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def starts(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def ends(month: date) -> datetime:
    """Not in the month any more."""
    return starts(next_month(month))


def closes(month: date) -> datetime:
    return ends(month) + LATE


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def parsed(text: str) -> date | None:
    """Such as 2026-04."""
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date() if len(text) == len("2026-04") else None
    except ValueError:
        return None
