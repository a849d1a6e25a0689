"""The transport for event loops, over aiohttp."""
