"""From the caller's inputs to the JSON that is sent."""
