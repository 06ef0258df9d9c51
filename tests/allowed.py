"""Warnings of other libraries' test tools that are meant to be: each with its reason.

Every other warning fails a test (`filterwarnings = ["error"]` in pyproject.toml).
"""

import pytest

different_agents = [
    # PettingZoo's api_test expects all agents to be alike; the leader sees all purchases, a
    # follower only its own.
    pytest.mark.filterwarnings("ignore:Observations are different shapes"),
    pytest.mark.filterwarnings("ignore:Agents have different observation space sizes"),
]

# A leader that offers contracts has nothing before the first round to look back on.
nothing_yet = pytest.mark.filterwarnings("ignore:Observation numpy array is all zeros")

# PettingZoo's api_test knows Box and Discrete; a VMU that chooses among providers has several.
several_choices = pytest.mark.filterwarnings("ignore:Action space for each agent probably should")

# PettingZoo's tests reset with a made-up option; unknown options warn by design.
unknown_option = pytest.mark.filterwarnings("ignore:reset option 'options' is unknown")

physical_units = [
    # Actions are money and steps unless normalize=True.
    pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric and normalized Box"),
    pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space"),
]
