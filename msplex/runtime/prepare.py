"""Make the database and bring it up to date: two commands in one process, because starting Django costs a second."""

import sys

import django
from django.core.management import call_command


def main(name: str, passwords: str) -> None:
    django.setup()
    call_command("setup_database", database_name=name, passwords_dir=passwords)
    call_command("migrate", database="migrate", interactive=False, verbosity=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
