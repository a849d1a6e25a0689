"""What calls return: results, streams and files."""
