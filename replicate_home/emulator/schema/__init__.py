"""A function's signature as a Cog-style schema: the kinds of values, the signature, the OpenAPI document."""
