"""What ``client.predictions`` and its like return."""
