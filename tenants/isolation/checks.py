"""Isolation rules that can be read off the models. What only the database knows: tests/tenants/test_catalogue.py."""

from collections.abc import Iterator
from typing import Any, cast

from django.apps import apps
from django.core.checks import CheckMessage, Error, register
from django.db import models

from tenants.isolation.models import TenantKey, TenantModel


@register
def tenant_models(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001
    errors: list[CheckMessage] = []
    for model in apps.get_models(include_auto_created=True):
        if issubclass(model, TenantModel):
            errors.extend(_fields(model))
            errors.extend(_groups(model))
        elif (owner := model._meta.auto_created) and issubclass(cast(type, owner), TenantModel):
            message = f"{model._meta.label}: give the many-to-many a through model of the tenant"
            errors.append(Error(message, id="tenants.E001"))
    return errors


def _fields(model: type[TenantModel]) -> Iterator[CheckMessage]:
    for field in model._meta.local_fields:
        label = f"{model._meta.label}.{field.name}"
        if not field.primary_key and (field.unique or getattr(field, "db_index", False)):
            yield Error(f"{label}: unique or db_index without the tenant", id="tenants.E002")
        target = field.related_model
        if isinstance(target, type) and issubclass(target, TenantModel) and not isinstance(field, TenantKey):
            yield Error(f"{label}: use TenantKey", id="tenants.E003")


def _groups(model: type[TenantModel]) -> Iterator[CheckMessage]:
    constraints = [each for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    groups = [_names(each) for each in (*model._meta.indexes, *constraints)]
    groups += [tuple(group) for group in model._meta.unique_together]
    for group in groups:
        if group[0] != "tenant_id":
            yield Error(
                f"{model._meta.label}: index or constraint {group} must start with tenant_id",
                id="tenants.E004",
            )


def _names(index: models.Index | models.UniqueConstraint) -> tuple[str, ...]:
    """Its columns. An expression that is no column is named by what it is."""
    expressions = (getattr(each, "name", str(each)) for each in index.expressions)
    return tuple(field.lstrip("-") for field in index.fields) or tuple(expressions)
