"""Accounts, hardware, and the secret that signs webhooks."""

from __future__ import annotations

from .base import Record, field


class Account(Record, noun="an account"):
    """The user or organization that a token belongs to."""

    __slots__ = ()

    username = field(str, "The name in ``username/model``.", required=True)
    type = field(str, "``user`` or ``organization``.")
    name = field(str, "The name to show.")
    github_url = field(str, "Its page on GitHub.")
    avatar_url = field(str, "Its picture.")


class Hardware(Record, noun="hardware"):
    """A kind of machine that models can run on."""

    __slots__ = ()

    sku = field(str, "Its name in requests, such as ``gpu-t4``.", required=True)
    name = field(str, "The name to show, such as ``Nvidia T4 GPU``.")


class WebhookSigningSecret(Record, noun="a webhook secret"):
    """The secret that signs webhooks. ``key`` is the secret itself, which the repr does not show."""

    __slots__ = ()

    key = field(str, "``whsec_`` and the key in base64.", required=True)

    def __repr__(self) -> str:
        return "WebhookSigningSecret(key='whsec_***')"
