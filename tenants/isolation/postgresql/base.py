"""Django's PostgreSQL backend, which signs every transaction as it begins (tenants.isolation.context)."""

from django.db.backends.postgresql import base, features

from tenants.isolation import context


class DatabaseFeatures(features.DatabaseFeatures):
    allows_group_by_selected_pks = False  # the database's key is (tenant_id, id), not id


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]
        if not autocommit:
            # Without a context, too: what the session brought along (a SET that was not LOCAL) must not count.
            context.bind(self, context.current())
