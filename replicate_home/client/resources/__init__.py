"""The resources of a client, such as ``client.predictions``, and what they return."""
