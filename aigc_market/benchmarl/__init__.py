"""The market games as tasks of BenchMARL (extra `benchmarl`)."""
