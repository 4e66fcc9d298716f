from django.urls import path

from identity import views

urlpatterns = [
    path("oauth/register", views.registration, name="oauth-register"),
    path("oauth/revoke", views.revoke, name="oauth-revoke"),
    path("oauth/token", views.token, name="oauth-token"),
    path(".well-known/oauth-authorization-server", views.metadata, name="oauth-metadata"),
    path(".well-known/jwks.json", views.jwks, name="oauth-jwks"),
]
