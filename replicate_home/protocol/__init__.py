"""The formats that servers use: bytes and text in, values out. Pure, and independent of predictions."""
