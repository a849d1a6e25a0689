"""Bytes and text in, values out: what the server's formats mean. Pure, and knows no prediction."""
