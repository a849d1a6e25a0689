"""Whose token it is, what there is to run on, and what webhooks are signed with."""

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
    """What a model can run on."""

    __slots__ = ()

    sku = field(str, "What it is called in requests, such as ``gpu-t4``.", required=True)
    name = field(str, "The name to show, such as ``Nvidia T4 GPU``.")


class WebhookSigningSecret(Record, noun="a webhook secret"):
    """What webhooks are signed with. ``key`` is the secret itself, which is not shown."""

    __slots__ = ()

    key = field(str, "``whsec_`` and the key in base64.", required=True)

    def __repr__(self) -> str:
        return "WebhookSigningSecret(key='whsec_***')"
