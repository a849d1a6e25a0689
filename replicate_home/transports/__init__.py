"""The ways to the network, one module or folder for each library."""
