"""What is run, and the figures and tables that come of it."""
