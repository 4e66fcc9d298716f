"""Named refusals of identity."""

from typing import ClassVar

from tenants.errors import Conflict, DomainError, Invalid, NotAllowed


class SignInRefused(DomainError):
    """One answer for every reason: the caller learns nothing about which part was wrong."""

    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__(
            "That did not match. Check the workspace, e-mail and password. After several failed tries, wait a minute.",
        )


class CodeRefused(DomainError):
    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "code_refused"

    def __init__(self) -> None:
        super().__init__("That code is not valid now. After several failed tries, wait a minute.")


class PasskeyRefused(DomainError):
    """`why` is for the record, not for whoever sent it. `copied`: the counter says that there are two of it."""

    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "passkey_refused"

    def __init__(self, why: str, *, copied: bool = False) -> None:
        super().__init__("That passkey was not accepted. Try once more, or use another way to sign in.")
        self.why = why
        self.copied = copied


class PasskeyNotEnough(NotAllowed):
    default_code: ClassVar[str] = "passkey_not_enough"

    def __init__(self) -> None:
        super().__init__(
            "Your workspace asks for the password first. Sign in with it; the passkey is then your second factor."
        )


class LastFactor(Conflict):
    default_code: ClassVar[str] = "last_factor"

    def __init__(self) -> None:
        super().__init__("This is your only second factor. Set up another one first.")


class TokenRefused(DomainError):
    """A bearer token is not good. `code` is for the log and the audit, not for whoever sent it."""

    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "invalid_token"

    def __init__(self, code: str) -> None:
        super().__init__("The access token is not valid.", code=code)


class PrincipalRefused(DomainError):
    """The principal is unknown, disabled, or has been changed since the credential was made."""

    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "principal_refused"

    def __init__(self) -> None:
        super().__init__("You are signed out.")


class TenantSuspended(NotAllowed):
    """The provider has stopped the whole tenant. Sessions and tokens work again when it is let go on."""

    default_code: ClassVar[str] = "tenant_suspended"

    def __init__(self) -> None:
        super().__init__("This workspace is suspended. Ask the deployment's provider.")


class PermissionMissing(NotAllowed):
    """`permission` is named so that a person can ask for it."""

    default_code: ClassVar[str] = "permission_missing"

    def __init__(self, permission: str) -> None:
        super().__init__(f"This needs the permission {permission}.")
        self.permission = permission


class RecentMfaRequired(NotAllowed):
    """The second factor was given too long ago for this. The portal asks for it; the API says where to give it."""

    default_code: ClassVar[str] = "recent_mfa_required"

    def __init__(self) -> None:
        super().__init__(
            "This needs a second factor of the last 15 minutes. Send a code to /api/v1/second-factor/, then try again."
        )


class SecondFactorImpossible(NotAllowed):
    """Automation has no second factor, so it never does what needs one."""

    default_code: ClassVar[str] = "second_factor_impossible"

    def __init__(self) -> None:
        super().__init__("Only a person with a second factor can do this, in a browser session. A token cannot.")


class GrantsMoreThanHeld(NotAllowed):
    default_code: ClassVar[str] = "grants_more_than_held"

    def __init__(self) -> None:
        super().__init__("You cannot give a role that allows more than your own.")


class HoldsMore(NotAllowed):
    """What the other one holds is not said: it may lie outside the caller's customers."""

    default_code: ClassVar[str] = "holds_more"

    def __init__(self) -> None:
        super().__init__("This account may do more than you, so you cannot manage it. Ask an owner or admin.")


class OwnAccount(NotAllowed):
    default_code: ClassVar[str] = "own_account"

    def __init__(self) -> None:
        super().__init__("You cannot do this to your own account. Ask someone else who manages people.")


class LastOwner(Conflict):
    default_code: ClassVar[str] = "last_owner"

    def __init__(self) -> None:
        super().__init__("This is the last active owner. Make someone else an owner first.")


class OwnerInactive(Conflict):
    default_code: ClassVar[str] = "owner_inactive"

    def __init__(self) -> None:
        super().__init__("The owner of this account is disabled. Name an active owner first.")


class ClientRefused(DomainError):
    """A machine client is unknown, or its secret is wrong or expired, or its account disabled: one answer."""

    status: ClassVar[int] = 401
    default_code: ClassVar[str] = "invalid_client"

    def __init__(self) -> None:
        super().__init__("The client could not be authenticated.")


class InvitationNotValid(DomainError):
    """One answer for all: never made, used, withdrawn, expired, or not its inviter's to give any more."""

    status: ClassVar[int] = 410
    default_code: ClassVar[str] = "invitation_not_valid"

    def __init__(self) -> None:
        super().__init__("This invitation is not valid any more. Ask whoever invited you for a new one.")


class LinkNotValid(DomainError):
    """As with invitations: nobody learns whether the link was ever one of ours."""

    status: ClassVar[int] = 410
    default_code: ClassVar[str] = "link_not_valid"

    def __init__(self) -> None:
        super().__init__("This link is not valid any more. It may have been used, or be too old.")


class PasswordRefused(Invalid):
    """The own password, asked for again, was wrong. The try is counted: who renders this keeps the transaction."""

    default_code: ClassVar[str] = "password_refused"

    def __init__(self) -> None:
        super().__init__("That is not your password. After several failed tries, wait a minute.", field="current")


class OwnSessionNeeded(NotAllowed):
    """A token acts for a person or a program; who they are is changed by the person, in a browser."""

    default_code: ClassVar[str] = "own_session_needed"

    def __init__(self) -> None:
        super().__init__("Sign in with your own browser for this. A token cannot change an account.")
