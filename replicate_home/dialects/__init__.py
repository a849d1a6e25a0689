"""The dialects: what each kind of server is sent, and what its responses mean. Pure, one file each."""
