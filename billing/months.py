from datetime import UTC, date, datetime


def month_of(moment: datetime) -> date:
    """The first day of the calendar month in UTC: quota periods do not follow a tenant's time zone."""
    return moment.astimezone(UTC).date().replace(day=1)


def this_month() -> date:
    return month_of(datetime.now(UTC))
