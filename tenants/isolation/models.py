"""The base of every table of a tenant. The wall itself is the database's (tenants.isolation.operations)."""

from typing import Any, ClassVar, Self, TypeVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from tenants.ids import uuid7
from tenants.isolation.context import acting_tenant

T = TypeVar("T", bound=models.Model)


class ActingTenant(models.Expression):
    """The tenant of the context, looked up when the SQL is made, so that a queryset can be kept and used again."""

    output_field = models.UUIDField()

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[Any, ...]]:  # noqa: ARG002
        return "%s", (acting_tenant(),)


class TenantManager(models.Manager[T]):
    """Lets the planner see which tenant it plans for, and raises LookupError without one. Not the isolation."""

    def get_queryset(self) -> models.QuerySet[T]:
        return super().get_queryset().filter(tenant_id=ActingTenant())


class TenantModel(models.Model):
    """A row of a tenant. To Django its key is `id`; in the database it is (tenant_id, id)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant_id = models.UUIDField(default=acting_tenant, editable=False)

    objects: ClassVar[TenantManager[Self]] = TenantManager()

    class Meta:
        abstract = True


class TenantKey(models.ForeignKey):  # type: ignore[type-arg]
    """A reference to another row of the same tenant. tenant_fk() in the migration makes the composite constraint."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(db_constraint=False, db_index=False)
        super().__init__(*args, **kwargs)
