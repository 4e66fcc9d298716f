"""Who the table of roles and addresses (identity.matrix) is about, and what a line of it says."""

import dataclasses
from collections.abc import Iterator

from identity.roles import ROLES, Role


@dataclasses.dataclass(frozen=True, slots=True)
class Bearer:
    """A role as somebody has it: for the whole tenant, or for one customer."""

    role: Role
    for_customer: bool = False

    @property
    def label(self) -> str:
        label = ROLES[self.role].label
        return f"{label}, one customer" if self.for_customer and not ROLES[self.role].customer_scoped else label


OWNER, ADMIN, BILLING = Bearer(Role.OWNER), Bearer(Role.ADMIN), Bearer(Role.BILLING)
OPERATOR, VIEWER = Bearer(Role.OPERATOR), Bearer(Role.VIEWER)
OPERATOR_OF_ONE, VIEWER_OF_ONE = Bearer(Role.OPERATOR, for_customer=True), Bearer(Role.VIEWER, for_customer=True)
CUSTOMER_MANAGER = Bearer(Role.CUSTOMER_MANAGER, for_customer=True)
CUSTOMER_VIEWER = Bearer(Role.CUSTOMER_VIEWER, for_customer=True)
BEARERS = (
    OWNER, ADMIN, BILLING, OPERATOR, VIEWER,
    OPERATOR_OF_ONE, VIEWER_OF_ONE, CUSTOMER_MANAGER, CUSTOMER_VIEWER,
)  # fmt: skip

EVERYBODY = frozenset(BEARERS)
ALL_BUT_BILLING = EVERYBODY - {BILLING}
ADMINS = frozenset({OWNER, ADMIN})
SETS_UP = ADMINS | {OPERATOR}
MANAGES_PEOPLE = ADMINS | {CUSTOMER_MANAGER}
READS_ALERTS = ADMINS | {OPERATOR, OPERATOR_OF_ONE, VIEWER, VIEWER_OF_ONE}
READS_USAGE = EVERYBODY - {OPERATOR, OPERATOR_OF_ONE}
READS_EVENTS = MANAGES_PEOPLE | {VIEWER, VIEWER_OF_ONE, CUSTOMER_VIEWER}


@dataclasses.dataclass(frozen=True, slots=True)
class Surface:
    """`confirmed` needs a recent second factor (identity.step_up); `changes` does not, and says why.

    `secret`: of `reads`, what shows something that is kept so, and needs one too.
    """

    group: str
    label: str
    bearers: frozenset[Bearer]
    reads: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    why_unconfirmed: str = ""
    secret: tuple[str, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(self.reads) | frozenset(self.changes) | frozenset(self.confirmed)

    def cells(self) -> Iterator[tuple[Bearer, bool]]:
        return ((bearer, bearer in self.bearers) for bearer in BEARERS)
