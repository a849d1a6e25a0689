"""Layer 4, the facade: what people hold in their hands. It builds lives, has them driven, and dresses the results."""
