"""What `make benchmarks` measured, as a table."""

from __future__ import annotations

from measurements import markdown, table

LIBRARIES = {
    "numpy": "NumPy",
    "gymnasium": "Gymnasium",
    "pettingzoo": "PettingZoo",
    "torch": "torch",
    "torchrl": "TorchRL",
}


def benchmarks() -> str:
    """Every row, and where and when it was measured; what misses its goal is bold."""
    rows = table("benchmarks")
    shown = [
        (
            f"`{row['name']}`",
            row["what"],
            f"**{row['ratio']}**" if row["met"] == "no" else row["ratio"],
            f"{row['low']} … {row['high']}",
            row["goal"],
        )
        for row in rows
    ]
    header = ("row", "what", "ratio", "slices", "goal")
    where = dict.fromkeys(map(_where, rows))
    return f"{markdown(header, shown)}\n\nMeasured on {'; on '.join(where)}."


def _where(row: dict[str, str]) -> str:
    versions = ", ".join(f"{said} {row[name]}" for name, said in LIBRARIES.items())
    return f"{row['processor']}, Python {row['python']}, {versions}, {row['date']}"
