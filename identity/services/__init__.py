"""Every change of identity's state. Each is checked, locked, made and recorded in one transaction."""

from identity.services.agents import end_agent_session, refuse_agent
from identity.services.alerts import tell_of_open_alerts
from identity.services.bindings import bind_role, unbind_role
from identity.services.challenges import forget_challenges
from identity.services.client_keys import add_key, revoke_key
from identity.services.customers import archive_customer, create_customer, set_customer_domains
from identity.services.emails import (
    confirm_email_change,
    look_at_email_link,
    look_at_undo_link,
    request_email_change,
    undo_email_change,
)
from identity.services.factors import Enrolment, confirm_totp, enrol_totp, make_recovery_codes, reset_factors
from identity.services.forgetting import forget_agent_sessions, forget_assertions
from identity.services.handover_domains import ask_for_check, check_domain, domains_to_check, proof_address
from identity.services.invitations import (
    accept_invitation,
    invite,
    look_at_invitation,
    resend_invitation,
    withdraw_invitation,
)
from identity.services.leftovers import forget_leftovers
from identity.services.mail import deliver, enqueue_due_mail, send_mail_on_commit, tell
from identity.services.members import create_member
from identity.services.oauth import TokenAnswer, answer_token_request, connect_agent, revoke_token
from identity.services.own_account import Own, change_password, rename
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
from identity.services.passwords import look_at_password_link, request_password_reset, reset_password
from identity.services.principals import disable_principal, enable_principal
from identity.services.projection import forget_ended_roles
from identity.services.provisioning import Provisioned, provision_tenant
from identity.services.renewal import begin_renewal, confirm_renewal, renew_recovery_codes
from identity.services.revoking import expire_sessions, revoke_session, revoke_sessions
from identity.services.secrets import revoke_all_secrets, revoke_secret, rotate_secret
from identity.services.security import set_security_policy
from identity.services.service_accounts import amend_service_account, create_service_account
from identity.services.sessions import Client, sign_out
from identity.services.sign_in import SignedIn, begin_enrolment, sign_in_code, sign_in_password
from identity.services.step_up import begin_confirmation, confirm, confirm_passkey, confirmed
from identity.services.tokens import IssuedToken, exchange_assertion, exchange_secret

__all__ = [
    "Client",
    "Enrolment",
    "IssuedToken",
    "Own",
    "Provisioned",
    "SignedIn",
    "TokenAnswer",
    "accept_invitation",
    "add_key",
    "amend_service_account",
    "answer_token_request",
    "archive_customer",
    "ask_for_check",
    "begin_confirmation",
    "begin_enrolment",
    "begin_first_passkey",
    "begin_passwordless",
    "begin_registration",
    "begin_renewal",
    "begin_second_factor",
    "bind_role",
    "change_password",
    "check_domain",
    "confirm",
    "confirm_email_change",
    "confirm_passkey",
    "confirm_renewal",
    "confirm_totp",
    "confirmed",
    "connect_agent",
    "create_customer",
    "create_member",
    "create_service_account",
    "deliver",
    "disable_principal",
    "domains_to_check",
    "enable_principal",
    "end_agent_session",
    "enqueue_due_mail",
    "enrol_totp",
    "exchange_assertion",
    "exchange_secret",
    "expire_sessions",
    "forget_agent_sessions",
    "forget_assertions",
    "forget_challenges",
    "forget_ended_roles",
    "forget_leftovers",
    "has_passkeys",
    "invite",
    "look_at_email_link",
    "look_at_invitation",
    "look_at_password_link",
    "look_at_undo_link",
    "make_recovery_codes",
    "may_start_with_passkey",
    "proof_address",
    "provision_tenant",
    "refuse_agent",
    "register_passkey",
    "remove_passkey",
    "rename",
    "rename_passkey",
    "renew_recovery_codes",
    "request_email_change",
    "request_password_reset",
    "resend_invitation",
    "reset_factors",
    "reset_password",
    "revoke_all_secrets",
    "revoke_key",
    "revoke_secret",
    "revoke_session",
    "revoke_sessions",
    "revoke_token",
    "rotate_secret",
    "send_mail_on_commit",
    "set_customer_domains",
    "set_security_policy",
    "sign_in_code",
    "sign_in_first_passkey",
    "sign_in_passkey",
    "sign_in_password",
    "sign_in_passwordless",
    "sign_out",
    "tell",
    "tell_of_open_alerts",
    "unbind_role",
    "undo_email_change",
    "withdraw_invitation",
]
