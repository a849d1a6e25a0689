"""What the API's JSON is, as values."""
