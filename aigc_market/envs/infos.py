"""Infos of which some are worked out only for those who read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

_LATER: Any = object()


class LazyInfos(dict[str, Any]):
    """A dict of which some values are worked out, all at once, when one of them is first read.

    It copies and pickles as a plain dict.

    Args:
        known: the values that are there already.
        names: of the others.
        work_out: answers with the others, by name.
    """

    def __init__(
        self,
        known: dict[str, Any],
        names: Iterable[str],
        work_out: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__(known)
        self.update(dict.fromkeys(names, _LATER))
        self._work_out: Callable[[], dict[str, Any]] | None = work_out

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if value is _LATER:
            self._complete()
            value = super().__getitem__(name)
        return value

    def __iter__(self) -> Iterator[str]:
        # That it is overridden keeps dict(infos) and {**infos} from reading past __getitem__.
        return super().__iter__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return dict, (dict(self),)

    def _complete(self) -> None:
        work_out, self._work_out = self._work_out, None
        if work_out is not None:
            for name, value in work_out().items():
                if super().get(name) is _LATER:
                    self[name] = value


def _reading(name: str) -> Any:
    method = getattr(dict, name)

    def read(self: LazyInfos, *arguments: Any) -> Any:
        self._complete()
        return method(self, *arguments)

    return read


for _name in (
    "__eq__",
    "__ne__",
    "__or__",
    "__repr__",
    "__ror__",
    "copy",
    "get",
    "items",
    "pop",
    "popitem",
    "setdefault",
    "values",
):
    setattr(LazyInfos, _name, _reading(_name))
