"""The API's JSON as values."""
