"""What the caller gives, as the JSON that is sent."""
