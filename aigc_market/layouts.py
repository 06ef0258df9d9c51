"""Until all is moved."""

from aigc_market.rules import Terms


class Columns(Terms):
    """Until all is moved."""

    def total(self, values):
        """Until all is moved."""
        return self.over_vmus(values)
