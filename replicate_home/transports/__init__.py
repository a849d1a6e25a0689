"""The ways to the network, one module or folder for each library.

What of other libraries is used here without being theirs to promise, each with its reason. ``tests/transports/
test_private_names.py`` names each, so that a version without it is found by a sentence and not by a mystery.

- ``urllib3.connection.HTTPConnection._new_conn``: several dead addresses of a host have one limit together, where
  urllib3 gives each its own; and nowhere else does looking up a name end and connecting begin.
- ``urllib3.connection.HTTPSConnection._connect_tls_proxy``: TLS within the TLS of a proxy reads its records one by one,
  each with the whole timeout, so that the socket below it has to know the deadline.
- ``http.client.HTTPConnection._tunnel``: where it ends, the proxy has done its part, and errors are the server's.

Named without an underscore, but documented nowhere: ``response_class`` of ``http.client.HTTPConnection``; ``fp``,
``chunked``, ``chunk_left`` and ``length`` of ``http.client.HTTPResponse``; ``ConnectionCls`` and ``QueueCls`` of
urllib3's pools, ``pool_classes_by_scheme`` of its managers; ``socket``, ``incoming`` and ``sslobj`` of its
``SSLTransport``; ``suppress_ragged_eofs`` of that and of ``ssl.SSLSocket``.
"""
