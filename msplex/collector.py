"""Python's cyclic collector, in the processes that every call goes through."""

import gc

THRESHOLDS = 20_000, 20, 20  # a call makes hundreds of objects and hardly a cycle


def spare_what_stays() -> None:
    """After everything is loaded: models, schemas and code need not be walked again and again (5 % of a call)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
