"""``replicate_home.async_run`` and ``async_stream``: methods of a default :class:`AsyncClient`.

As the default client, it is created on first use and without options. Event loops close its connections as they end.
"""

from __future__ import annotations

from .async_client import AsyncClient
from .module_level import of_default

async_run = of_default(AsyncClient, AsyncClient.run)
async_stream = of_default(AsyncClient, AsyncClient.stream)
