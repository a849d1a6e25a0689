"""The provider class, in the shape of g4f's own."""
