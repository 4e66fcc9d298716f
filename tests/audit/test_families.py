import pytest

from audit.families import LABELS, Family, families_of, kinds_in
from audit.kinds import EventKind


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_is_in_a_family(kind: EventKind) -> None:
    assert families_of(kind)


@pytest.mark.parametrize("family", [family for family in Family if family is not Family.AUDIT])
def test_every_family_has_a_name_and_kinds(family: Family) -> None:
    assert LABELS[family]
    assert kinds_in(family)


def test_the_six_families_that_must_stay_attributable_hold_what_they_say() -> None:
    assert EventKind.ROLE_BOUND in kinds_in(Family.USERS)
    assert EventKind.SECRET_ROTATED in kinds_in(Family.SERVICE_ACCOUNTS)
    assert EventKind.INSTANCE_ACTIVATED in kinds_in(Family.CONNECTORS)
    assert EventKind.CALL_REFUSED in kinds_in(Family.DENIALS)
    assert EventKind.APPROVAL_REQUESTED in kinds_in(Family.APPROVALS)
    assert set(kinds_in(Family.SECRETS)) >= {EventKind.CREDENTIAL_OPENED, EventKind.CREDENTIAL_REFUSED}


def test_a_refused_call_is_a_call_and_a_denial() -> None:
    assert families_of(EventKind.CALL_REFUSED) == {Family.CALLS, Family.DENIALS}
