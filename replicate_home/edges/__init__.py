"""Layer 2, the edges: everything that touches a socket, a file or a clock."""
