"""The source paper's figures, reproduced."""
