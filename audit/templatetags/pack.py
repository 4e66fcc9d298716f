"""Words of the printed summary."""

from django import template

from audit.packs import summary

register = template.Library()


@register.filter
def plain(text: str) -> str:
    """service_account: service account."""
    return text.replace("_", " ")


@register.filter
def words(kind: str) -> str:
    return summary.words(kind)
