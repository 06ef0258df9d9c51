"""`python -m aigc_market.cli`, where the console command is not on the path."""

from aigc_market.cli import main

main()
