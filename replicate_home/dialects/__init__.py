"""The dialects: how each kind of server is asked, and what its answers mean. Pure, one file each."""
