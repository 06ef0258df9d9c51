"""What has to happen before any test module is imported."""

import warnings

with warnings.catch_warnings():
    # PettingZoo 1.27's test tools import its own classic games in its own deprecated way.
    warnings.filterwarnings("ignore", "The old environment creation API has been deprecated")
    import pettingzoo.test  # noqa: F401
