"""What the caller gets: results, streams and files."""
