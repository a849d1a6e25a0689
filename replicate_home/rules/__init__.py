"""Layer 1, the rules: pure decisions, without I/O, time, random numbers, logging or asyncio."""
