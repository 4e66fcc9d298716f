from celery import shared_task
from django.db import connection

from tenants.isolation.tasks import PlainTask
from tenants.process import Process

MONTHS_AHEAD = 3


@shared_task(name="tenants.make_partitions", base=PlainTask, process=Process.WORKER)  # type: ignore[untyped-decorator]
def make_partitions() -> None:
    """Next months' partitions of the append-only tables, long before their first row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT border.make_partitions(%s)", [MONTHS_AHEAD])
