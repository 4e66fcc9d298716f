"""What is only proposed for MCP is behind a switch."""

from uuid import UUID

import pytest

from msplex.decision.verdicts import Code, Decision, Refusal, Resolved
from msplex.environment import Environment, EnvironmentInvalid, read_environment
from msplex.gateway import answers
from msplex.gateway.calls import Begun

BEGUN = Begun(UUID(int=7), UUID(int=8), Decision((), Resolved()))
WAITS = Refusal(Code.APPROVAL_REQUIRED, "Ask.", request_id=UUID(int=9))


def test_a_request_for_approval_is_told_in_the_words_of_the_proposal(settings):
    said = answers.failed("check_approval", WAITS, BEGUN)["_meta"][answers.AUTHORIZATION]

    assert (said["reason"], said["remediation"]) == ("insufficient_authorization", "available")
    assert said["authorizationContextId"] == str(UUID(int=9))
    assert said["remediationHints"] == [{"type": "url", "url": f"{settings.PUBLIC_URL}/approvals/{UUID(int=9)}/"}]


def test_it_can_be_switched_off(settings):
    settings.MCP_PROPOSALS = frozenset()

    assert answers.failed("check_approval", WAITS, BEGUN)["_meta"].keys() == {answers.ENVELOPE}


def test_nothing_but_a_request_for_approval_is_told_so():
    other = Refusal(Code.QUOTA_EXHAUSTED, "Used up.")

    assert answers.AUTHORIZATION not in answers.failed("check_quota", other, BEGUN)["_meta"]


@pytest.mark.parametrize(("value", "known"), [("", []), ("SEP-2643", ["SEP-2643"])])
def test_the_switch_is_a_list(monkeypatch, value, known):
    monkeypatch.setenv("MSPLEX_MCP_PROPOSALS", value)

    assert Environment().msplex_mcp_proposals == known


def test_a_proposal_that_is_not_spoken_is_refused_at_start(monkeypatch):
    monkeypatch.setenv("MSPLEX_MCP_PROPOSALS", "SEP-1")

    with pytest.raises(EnvironmentInvalid, match="MSPLEX_MCP_PROPOSALS"):
        read_environment()
