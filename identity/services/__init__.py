"""Every change of identity's state. Each is checked, locked, made and recorded in one transaction."""

from identity.services.bindings import bind_role, unbind_role
from identity.services.customers import archive_customer, create_customer
from identity.services.emails import (
    confirm_email_change,
    look_at_email_link,
    look_at_undo_link,
    request_email_change,
    undo_email_change,
)
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
from identity.services.own_account import Own, change_password, rename
from identity.services.passwords import look_at_password_link, request_password_reset, reset_password
from identity.services.principals import disable_principal, enable_principal
from identity.services.projection import forget_ended_roles
from identity.services.provisioning import Provisioned, provision_tenant
from identity.services.renewal import begin_renewal, confirm_renewal
from identity.services.service_accounts import create_service_account
from identity.services.sessions import Client, sign_out
from identity.services.sign_in import SignedIn, begin_enrolment, sign_in_code, sign_in_password
from identity.services.tokens import IssuedToken, exchange_secret

__all__ = [
    "Client",
    "Enrolment",
    "IssuedToken",
    "Own",
    "Provisioned",
    "SignedIn",
    "accept_invitation",
    "archive_customer",
    "begin_enrolment",
    "begin_renewal",
    "bind_role",
    "change_password",
    "confirm_email_change",
    "confirm_renewal",
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
    "forget_ended_roles",
    "invite",
    "look_at_email_link",
    "look_at_invitation",
    "look_at_password_link",
    "look_at_undo_link",
    "make_recovery_codes",
    "provision_tenant",
    "rename",
    "request_email_change",
    "request_password_reset",
    "resend_invitation",
    "reset_factors",
    "reset_password",
    "send_mail_on_commit",
    "sign_in_code",
    "sign_in_password",
    "sign_out",
    "tell",
    "unbind_role",
    "undo_email_change",
    "withdraw_invitation",
]
