"""The rooms of the portal. Each view says which permission it needs (identity.web)."""

from django.urls import include, path

from msplex.portal.views import (
    account,
    calls,
    connectors,
    customers,
    dashboard,
    invitations,
    people,
    service_accounts,
    sign_in,
)

_rooms = [
    path("", dashboard.dashboard, name="dashboard"),
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    path("sign-in/code/", sign_in.code, name="code"),
    path("sign-in/set-up/", sign_in.enrol, name="enrol"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("account/", account.account, name="account"),
    path("account/theme/", account.theme, name="theme"),
    path("account/recovery-codes/", account.recovery_codes, name="recovery_codes"),
    path("calls/", calls.calls, name="calls"),
    path("calls/<uuid:pk>/", calls.call, name="call"),
    path("connectors/", connectors.connectors, name="connectors"),
    path("connectors/new/<slug:key>/", connectors.connector_start, name="connector_start"),
    path("connectors/<uuid:pk>/", connectors.connector_instance, name="connector_instance"),
    path("connectors/<uuid:pk>/progress/", connectors.connector_progress, name="connector_progress"),
    path("connectors/<uuid:pk>/configure/", connectors.connector_configure, name="connector_configure"),
    path("connectors/<uuid:pk>/check/", connectors.connector_check, name="connector_check"),
    path("connectors/<uuid:pk>/activate/", connectors.connector_activate, name="connector_activate"),
    path("connectors/<uuid:pk>/deactivate/", connectors.connector_deactivate, name="connector_deactivate"),
    path("connectors/<uuid:pk>/customers/", connectors.connector_map, name="connector_map"),
    path("connectors/<uuid:pk>/customers/<uuid:mapping>/", connectors.connector_unmap, name="connector_unmap"),
    path("customers/", customers.customers, name="customers"),
    path("customers/new/", customers.customer_new, name="customer_new"),
    path("customers/<uuid:pk>/", customers.customer, name="customer"),
    path("customers/<uuid:pk>/archive/", customers.customer_archive, name="customer_archive"),
    path("links/invitation/<str:token>/", invitations.welcome, name="welcome"),
    path("people/", people.people, name="people"),
    path("people/invitations/", invitations.invitations, name="people_invitations"),
    path("people/invite/", invitations.invite, name="people_invite"),
    path("people/invitations/<uuid:pk>/resend/", invitations.resend, name="people_resend"),
    path("people/invitations/<uuid:pk>/withdraw/", invitations.withdraw, name="people_withdraw"),
    path("people/<uuid:pk>/", people.person, name="person"),
    path("people/<uuid:pk>/disable/", people.person_disable, name="person_disable"),
    path("people/<uuid:pk>/enable/", people.person_enable, name="person_enable"),
    path("people/<uuid:pk>/reset/", people.person_reset, name="person_reset"),
    path("people/<uuid:pk>/roles/", people.person_bind, name="person_bind"),
    path("people/<uuid:pk>/roles/<uuid:binding>/", people.person_unbind, name="person_unbind"),
    path("roles/", people.roles, name="roles"),
    path("service-accounts/", service_accounts.service_accounts, name="service_accounts"),
    path("service-accounts/new/", service_accounts.service_account_new, name="service_account_new"),
    path("service-accounts/<uuid:pk>/", service_accounts.service_account, name="service_account"),
    path(
        "service-accounts/<uuid:pk>/disable/", service_accounts.service_account_disable, name="service_account_disable"
    ),
    path("service-accounts/<uuid:pk>/enable/", service_accounts.service_account_enable, name="service_account_enable"),
    path("service-accounts/<uuid:pk>/roles/", service_accounts.service_account_bind, name="service_account_bind"),
    path(
        "service-accounts/<uuid:pk>/roles/<uuid:binding>/",
        service_accounts.service_account_unbind,
        name="service_account_unbind",
    ),
]
urlpatterns = [path("", include((_rooms, "portal")))]
