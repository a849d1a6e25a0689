"""The provider under the real g4f, over servers on this machine; where g4f is not installed nothing here is run."""
