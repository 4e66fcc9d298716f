"""Every change of identity's state. Each is checked, locked, made and recorded in one transaction."""

from identity.services.agents import end_agent_session, refuse_agent
from identity.services.bindings import bind_role, unbind_role
from identity.services.challenges import forget_challenges
from identity.services.customers import archive_customer, create_customer
from identity.services.factors import Enrolment, confirm_totp, enrol_totp, make_recovery_codes, reset_factors
from identity.services.members import create_member
from identity.services.oauth import TokenAnswer, answer_token_request, connect_agent, revoke_token
from identity.services.passkey_sign_in import (
    begin_first_passkey,
    begin_passwordless,
    begin_second_factor,
    has_passkeys,
    may_start_with_passkey,
    sign_in_first_passkey,
    sign_in_passkey,
    sign_in_passwordless,
)
from identity.services.passkeys import begin_registration, register_passkey, remove_passkey, rename_passkey
from identity.services.principals import disable_principal, enable_principal
from identity.services.projection import forget_ended_roles
from identity.services.provisioning import Provisioned, provision_tenant
from identity.services.revoking import expire_sessions, revoke_session, revoke_sessions
from identity.services.secrets import revoke_all_secrets, revoke_secret, rotate_secret
from identity.services.security import set_security_policy
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
    "begin_first_passkey",
    "begin_passwordless",
    "begin_registration",
    "begin_second_factor",
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
    "expire_sessions",
    "forget_challenges",
    "forget_ended_roles",
    "has_passkeys",
    "make_recovery_codes",
    "may_start_with_passkey",
    "provision_tenant",
    "refuse_agent",
    "register_passkey",
    "remove_passkey",
    "rename_passkey",
    "reset_factors",
    "revoke_all_secrets",
    "revoke_secret",
    "revoke_session",
    "revoke_sessions",
    "revoke_token",
    "rotate_secret",
    "set_security_policy",
    "sign_in_code",
    "sign_in_first_passkey",
    "sign_in_passkey",
    "sign_in_password",
    "sign_in_passwordless",
    "sign_out",
    "unbind_role",
]
