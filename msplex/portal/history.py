"""What can be done to an account, as people read it."""

from audit.kinds import EventKind

WORDS: dict[str, str] = {
    EventKind.EMAIL_CHANGED: "E-mail address changed",
    EventKind.EMAIL_CHANGE_REQUESTED: "New e-mail address asked for",
    EventKind.EMAIL_RESTORED: "E-mail address brought back",
    EventKind.MEMBER_CREATED: "Account made",
    EventKind.MEMBER_RENAMED: "Name changed",
    EventKind.MFA_ENROLLED: "Second factor set up",
    EventKind.MFA_REPLACED: "Authenticator app replaced",
    EventKind.MFA_RESET: "Second factor reset",
    EventKind.PASSWORD_CHANGED: "Password changed",
    EventKind.PASSWORD_REFUSED: "Wrong password given for a change",
    EventKind.PASSWORD_RESET: "Forgotten password replaced",
    EventKind.PASSWORD_RESET_REQUESTED: "New password asked for by e-mail",
    EventKind.PRINCIPAL_DISABLED: "Disabled",
    EventKind.PRINCIPAL_ENABLED: "Enabled",
    EventKind.RECOVERY_CODES_MADE: "New recovery codes made",
    EventKind.ROLE_BOUND: "Role given",
    EventKind.ROLE_UNBOUND: "Role taken away",
}
