"""Runs that are kept: in parallel, resumed, written as a whole, named by what they depend on."""
