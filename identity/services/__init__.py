"""Every change of identity's state. Each is checked, locked, made and recorded in one transaction."""

from identity.services.bindings import bind_role, unbind_role
from identity.services.customers import archive_customer, create_customer
from identity.services.factors import Enrolment, confirm_totp, enrol_totp, make_recovery_codes, reset_factors
from identity.services.invitations import (
    accept_invitation,
    invite,
    look_at_invitation,
    resend_invitation,
    withdraw_invitation,
)
from identity.services.mail import deliver, enqueue_due_mail, send_mail_on_commit, tell
from identity.services.members import create_member
from identity.services.principals import disable_principal, enable_principal
from identity.services.provisioning import Provisioned, provision_tenant
from identity.services.service_accounts import create_service_account
from identity.services.sessions import Client, sign_out
from identity.services.sign_in import SignedIn, begin_enrolment, sign_in_code, sign_in_password
from identity.services.tokens import IssuedToken, exchange_secret

__all__ = [
    "Client",
    "Enrolment",
    "IssuedToken",
    "Provisioned",
    "SignedIn",
    "accept_invitation",
    "archive_customer",
    "begin_enrolment",
    "bind_role",
    "confirm_totp",
    "create_customer",
    "create_member",
    "create_service_account",
    "deliver",
    "disable_principal",
    "enable_principal",
    "enqueue_due_mail",
    "enrol_totp",
    "exchange_secret",
    "invite",
    "look_at_invitation",
    "make_recovery_codes",
    "provision_tenant",
    "resend_invitation",
    "reset_factors",
    "send_mail_on_commit",
    "sign_in_code",
    "sign_in_password",
    "sign_out",
    "tell",
    "unbind_role",
    "withdraw_invitation",
]
