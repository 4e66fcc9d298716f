"""What is said of a model before there is a migration for it: `manage.py check` runs where there is no database."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from django.db.models.functions import Lower
from django.test.utils import isolate_apps

from tenants.isolation import checks
from tenants.isolation.models import TenantKey, TenantModel
from tenants.models import Customer

Said = Callable[..., list[str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """Of a model that is made for the question."""

    def ask(meta: dict[str, Any] | None = None, **fields: models.Field) -> list[str]:
        with isolate_apps("tenants") as registry:
            options = type("Meta", (), {"app_label": "tenants", **(meta or {})})
            members = {"__module__": __name__, "Meta": options, "key": models.CharField(max_length=9), **fields}
            type("Loot", (TenantModel,), members)
        monkeypatch.setattr(checks, "apps", registry)
        return [str(error.id) for error in checks.tenant_models()]

    return ask


def test_a_model_that_keeps_the_rules_is_fine(said: Said) -> None:
    index = models.Index(fields=["tenant_id", "-key"], name="one")
    lower = models.UniqueConstraint(models.F("tenant_id"), Lower("key"), name="two")
    key = TenantKey(Customer, models.DO_NOTHING, related_name="+")

    assert said({"indexes": [index], "constraints": [lower], "unique_together": [("tenant_id", "key")]}, kept=key) == []


@pytest.mark.parametrize(
    "index", [models.Index(fields=["key"], name="loose"), models.Index(Lower("key"), "tenant_id", name="loose")]
)
def test_an_index_starts_with_the_tenant(said: Said, index: models.Index) -> None:
    assert said({"indexes": [index]}) == ["tenants.E004"]


@pytest.mark.parametrize(
    "constraint",
    [
        models.UniqueConstraint(fields=["key", "tenant_id"], name="loose"),
        models.UniqueConstraint(Lower("key"), name="loose"),
    ],
)
def test_a_unique_constraint_starts_with_the_tenant(said: Said, constraint: models.UniqueConstraint) -> None:
    assert said({"constraints": [constraint]}) == ["tenants.E004"]
    assert said({"unique_together": [("key", "tenant_id")]}) == ["tenants.E004"]


def test_a_field_is_not_unique_by_itself(said: Said) -> None:
    assert said(other=models.CharField(max_length=9, unique=True)) == ["tenants.E002"]
    assert said(other=models.SlugField()) == ["tenants.E002"]


def test_a_reference_to_a_tenants_row_is_a_tenants_key(said: Said) -> None:
    plain = models.ForeignKey(Customer, models.DO_NOTHING, db_index=False, related_name="+")

    assert said(other=plain) == ["tenants.E003"]


def test_a_many_to_many_has_a_table_of_the_tenant(said: Said) -> None:
    assert said(others=models.ManyToManyField(Customer, related_name="+")) == ["tenants.E001"]
