"""The game of contracts: what mechanisms earn, and how near learners come to the best menu."""
