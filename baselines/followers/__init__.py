"""Leader and followers learn together, at two time scales."""
