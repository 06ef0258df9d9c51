"""Methods look the same in every figure, and no two alike."""

from baselines.arena.registry import REGISTRY
from baselines.arena.styles import STYLES


def test_every_method_has_a_look_of_its_own():
    methods = {name for name, entry in REGISTRY.items() if entry.ablation_of is None}
    assert methods <= set(STYLES)
    looks = [tuple(style.values()) for style in STYLES.values()]
    assert len(set(looks)) == len(looks)
