"""What a client sends over: the transport it was given, one that it creates, or the emulator in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...clock import SYSTEM_CLOCK, Clock
from ...dialects.replicate import BASE_URL
from ...drivers.gate import Gate
from ...lifecycle import policy
from ...protocol import urls
from .routing import LOCAL_URL

if TYPE_CHECKING:
    from ...dialects.base import Dialect
    from ...emulator.transport import InProcessTransport
    from ...transports.base import Transport
    from ...wire import Secret

Models = Mapping[str, Callable[..., Any]]

MOST_GATES = 1_000
"""A server that calls with its users' tokens has ever more of them; of the oldest it is forgotten what they sent."""

_stand_ins: list[Transport] = []
_stand_ins_lock = threading.Lock()


def stand_in() -> Transport | None:
    """What tests have put in the network's place, for clients that are made now without a transport of their own."""
    with _stand_ins_lock:
        return _stand_ins[-1] if _stand_ins else None


@contextmanager
def standing_in(transport: Transport) -> Iterator[None]:
    """Put ``transport`` in the network's place, for the whole process: code under test has threads.

    The last one that was put there counts.
    """
    with _stand_ins_lock:
        _stand_ins.append(transport)
    try:
        yield
    finally:
        with _stand_ins_lock:
            del _stand_ins[max(place for place, put in enumerate(_stand_ins) if put is transport)]


class Connections:
    """Shared by a client and those made from it with other options; created when first used, by any thread.

    ``given`` is the caller's transport, of either kind, or what tests have put in the network's place; ``blocking`` is
    the same for threads, if there is one.
    """

    def __init__(
        self, given: Any, clock: Clock | None, models: Models | None, *, blocking: Transport | None = None
    ) -> None:
        if given is None:
            given = blocking = stand_in()
        self.given = given
        self._blocking: Transport | None = blocking
        self.models = models
        self.clock: Clock = clock or getattr(given, "clock", None) or SYSTEM_CLOCK
        self._lock = threading.RLock()  # reentrant: Ctrl-C may come while it is held, and closing takes it
        self._gates: dict[tuple[Any, Secret | None], Gate] = {}
        self._network: Transport | None = None
        self._local: InProcessTransport | None = None

    @property
    def declared(self) -> tuple[str, str | None] | None:
        """The backend and base URL that the given transport declares."""
        if self.given is None:
            return None
        return getattr(self.given, "backend", None) or "replicate", getattr(self.given, "base_url", None)

    @property
    def is_async_only(self) -> bool:
        """Whether the given transport is for event loops, without a counterpart for threads."""
        return self.given is not None and self._blocking is None

    def transport(self, connections: str) -> Transport:
        """The transport for a route."""
        if self._blocking is not None:
            return self._blocking
        if connections == "local":
            return self.local()
        return self._made_network()

    def gate(self, dialect: Dialect) -> Gate:
        """What all calls with the same token to the same server pass; it has the limits of the hosted API."""
        origin = urls.origin(dialect.base_url)
        gate = self._gates.get((origin, dialect.token))
        if gate is None:
            with self._lock:
                gate = self._gates.setdefault((origin, dialect.token), _gate_at(dialect.base_url))
                if len(self._gates) > MOST_GATES:
                    del self._gates[next(iter(self._gates))]
        return gate

    def asked_already(self, connections: str) -> Any:
        """The transport that a route has used, of either kind; None if it was not used yet."""
        return self.given or (self._local if connections == "local" else self._network)

    def local(self) -> InProcessTransport:
        """The emulator in this process, with the models of this client and of the process."""
        with self._lock:
            if self._local is None:
                self._local = _local_transport(self.models, self.clock)
            return self._local

    def knows_locally(self, prediction_id: str) -> bool:
        """Whether this client's emulator has created a prediction."""
        return self._local is not None and any(
            call.prediction_id == prediction_id for call in self._local.emulator.calls
        )

    def close(self) -> None:
        """Close what was created here; a transport that was passed in stays open.

        Models that run in this process end; output files that are finished stay readable.
        """
        with self._lock:
            network, self._network = self._network, None
        if network is not None:
            network.close()
        if self._local is not None:
            self._local.emulator.close()

    def _made_network(self) -> Transport:
        network = self._network
        if network is None:
            from ...transports.over_requests.transport import RequestsTransport  # imports requests

            with self._lock:
                network = self._network = self._network or RequestsTransport()
        return network


def _local_transport(models: Models | None, clock: Clock) -> InProcessTransport:
    from ...demo import MODELS
    from ...emulator.emulator import Emulator
    from ...emulator.transport import InProcessTransport

    return InProcessTransport(Emulator({**MODELS, **(models or {})}, clock=clock, base_url=LOCAL_URL))


def _gate_at(base_url: str) -> Gate:
    """A gate for the server there; the limits are those of the hosted API, over whatever transport it is asked."""
    if urls.origin(base_url) == urls.origin(BASE_URL):
        return Gate(base_url, policy.HOSTED_CREATES, policy.HOSTED_OTHERS)
    return Gate(base_url)
