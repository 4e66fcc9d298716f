"""Every change of identity's state. Each is checked, locked, made and recorded in one transaction."""

from identity.services.agents import end_agent_session, refuse_agent
from identity.services.bindings import bind_role, unbind_role
from identity.services.customers import archive_customer, create_customer
from identity.services.factors import Enrolment, confirm_totp, enrol_totp, make_recovery_codes, reset_factors
from identity.services.members import create_member
from identity.services.oauth import TokenAnswer, answer_token_request, connect_agent, revoke_token
from identity.services.principals import disable_principal, enable_principal
from identity.services.projection import forget_ended_roles
from identity.services.provisioning import Provisioned, provision_tenant
from identity.services.secrets import revoke_all_secrets, revoke_secret, rotate_secret
from identity.services.service_accounts import amend_service_account, create_service_account
from identity.services.sessions import Client, sign_out
from identity.services.sign_in import SignedIn, begin_enrolment, sign_in_code, sign_in_password
from identity.services.step_up import confirm, confirmed
from identity.services.tokens import IssuedToken, exchange_secret

__all__ = [
    "Client",
    "Enrolment",
    "IssuedToken",
    "Provisioned",
    "SignedIn",
    "TokenAnswer",
    "amend_service_account",
    "answer_token_request",
    "archive_customer",
    "begin_enrolment",
    "bind_role",
    "confirm",
    "confirm_totp",
    "confirmed",
    "connect_agent",
    "create_customer",
    "create_member",
    "create_service_account",
    "disable_principal",
    "enable_principal",
    "end_agent_session",
    "enrol_totp",
    "exchange_secret",
    "forget_ended_roles",
    "make_recovery_codes",
    "provision_tenant",
    "refuse_agent",
    "reset_factors",
    "revoke_all_secrets",
    "revoke_secret",
    "revoke_token",
    "rotate_secret",
    "sign_in_code",
    "sign_in_password",
    "sign_out",
    "unbind_role",
]
