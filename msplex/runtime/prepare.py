"""Make the database and bring it up to date: one process for all of it, because starting Django costs a second."""

import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command


def main(name: str, passwords: str) -> None:
    django.setup()
    call_command("setup_database", database_name=name, passwords_dir=Path(passwords))
    call_command("migrate", database="migrate", interactive=False, verbosity=1)
    if settings.PRODUCTION:
        # The demo finds static files where they are written; production serves hashed, compressed copies.
        call_command("collectstatic", interactive=False, verbosity=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
