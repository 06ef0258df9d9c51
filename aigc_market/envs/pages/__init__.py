"""The public classes of the environments: a page of documentation each."""
