from tenants.errors import Conflict, Invalid


class PackNotReady(Conflict):
    """It is being built; its page says how far it is."""

    default_code = "pack_not_ready"

    def __init__(self) -> None:
        super().__init__("This pack is still being built. Try again in a minute.")


class PackTooSoon(Conflict):
    default_code = "pack_too_soon"

    def __init__(self) -> None:
        super().__init__("There is a pack of this month from the last ten minutes. Take that one, or try again later.")


class DomainNotVerified(Invalid):
    default_code = "domain_not_verified"

    def __init__(self) -> None:
        super().__init__(
            "Handover packs are made for the domains that this workspace has verified; this is none of them."
            " An owner adds one under Audit packs, Handover domains.",
            field="actor_filter",
        )


class DomainInvalid(Invalid):
    default_code = "domain_invalid"

    def __init__(self) -> None:
        super().__init__("Write a domain name such as msp.example, in plain letters.", field="domain")


class MonthInvalid(Invalid):
    default_code = "month_invalid"

    def __init__(self) -> None:
        super().__init__(
            "There is a pack for the month that is now (interim), and one for each month before.", field="month"
        )


class CosignatureRefused(Invalid):
    """It is no word of this witness about a checkpoint of this log."""

    default_code = "cosignature_refused"
