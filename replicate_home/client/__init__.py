"""The clients, and what they hand out."""
