"""Whether a value of a config is what an annotation says, and the annotation in words."""

from __future__ import annotations

import collections.abc as abc
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

Hints = tuple[Any, ...]


class Kind(NamedTuple):
    """A kind of annotation: whether a value fits it, and what it is called, by what stands in its brackets."""

    fits: Callable[[Any, Hints], bool]
    said: Callable[[Hints], str]


def fits(value: Any, hint: Any) -> bool:
    """Whether a value as a config holds it is of that type.

    A dictionary with a ``_target_`` is what will be built: of any class, but not a number, a text or a list.
    """
    found = _kind(hint)
    if found is not None:
        return found.fits(value, get_args(hint))
    is_built = isinstance(value, Mapping) and "_target_" in value
    return is_built or not (_is_callable(hint) or isinstance(hint, type))  # a type variable


def said(hint: Any) -> str:
    """An annotation in words."""
    found = _kind(hint)
    if found is not None:
        return found.said(get_args(hint))
    return f"a config with a _target_, of a {hint.__name__}" if isinstance(hint, type) else "a config with a _target_"


def _kind(hint: Any) -> Kind | None:
    key = get_origin(hint) or hint
    return KINDS.get(key) if isinstance(key, abc.Hashable) else None


def _is_callable(hint: Any) -> bool:
    return get_origin(hint) is abc.Callable or hint is Callable


def _is_number(value: Any, _: Hints) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any, _: Hints) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_one_of(value: Any, hints: Hints) -> bool:
    return any(fits(value, hint) for hint in hints)


def _said_one_of(hints: Hints) -> str:
    """Of alternatives those that a config can write down, if there are any; no whole numbers beside numbers."""
    plain = [hint for hint in hints if _kind(hint) is not None]
    some = plain if set(plain) - {NoneType} else hints
    single = [each for hint in some for each in _each_literal(hint) if not (hint is int and float in some)]
    return _joined(map(said, single))


def _joined(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def _each_literal(hint: Any) -> list[Any]:
    return [Literal[value] for value in get_args(hint)] if get_origin(hint) is Literal else [hint]


def _is_literal(value: Any, allowed: Hints) -> bool:
    return any(value == each and type(value) is type(each) for each in allowed)


def _is_list(value: Any, hints: Hints) -> bool:
    return isinstance(value, list) and all(fits(each, hint) for hint in hints for each in value)


def _said_list(hints: Hints) -> str:
    return f"a list, each {said(hints[0])}" if hints else "a list"


def _is_tuple(value: Any, hints: Hints) -> bool:
    if Ellipsis in hints:
        return _is_list(value, hints[:1])
    return isinstance(value, list) and len(value) == len(hints) and all(map(fits, value, hints))


def _said_tuple(hints: Hints) -> str:
    return _said_list(hints[:1]) if Ellipsis in hints else f"a list of {len(hints)}: {', '.join(map(said, hints))}"


def _is_dict(value: Any, hints: Hints) -> bool:
    return (
        isinstance(value, dict)
        and "_target_" not in value
        and all(fits(v, h) for h in hints[1:] for v in value.values())
    )


PLAIN = {
    int: Kind(_is_whole, lambda _: "a whole number"),
    float: Kind(_is_number, lambda _: "a number"),
    bool: Kind(lambda value, _: isinstance(value, bool), lambda _: "true or false"),
    str: Kind(lambda value, _: isinstance(value, str), lambda _: "text"),
    NoneType: Kind(lambda value, _: value is None, lambda _: "null"),
}
ALTERNATIVES = Kind(_is_one_of, _said_one_of)
LIST = Kind(_is_list, _said_list)
DICT = Kind(_is_dict, lambda _: "a dictionary")
KINDS: dict[Any, Kind] = {
    **PLAIN,
    Any: Kind(lambda *_: True, lambda _: "anything"),
    Union: ALTERNATIVES,
    UnionType: ALTERNATIVES,
    Literal: Kind(_is_literal, lambda allowed: _joined(map(str, allowed))),
    tuple: Kind(_is_tuple, _said_tuple),
    **dict.fromkeys((list, abc.Sequence, abc.Iterable, abc.Collection), LIST),
    **dict.fromkeys((dict, abc.Mapping), DICT),
}


class Parameters(NamedTuple):
    """What may be said to a class or a function.

    Args:
        hints: the annotation of each argument that can be named; Any where there is none that can be resolved.
        takes_others: whether it takes further names.
    """

    hints: dict[str, Any]
    takes_others: bool

    @classmethod
    def of(cls, target: Callable[..., Any]) -> Parameters:
        """Those of a class or a function; of one that does not say, any."""
        try:
            parameters = inspect.signature(target).parameters.values()
        except (TypeError, ValueError):
            return cls({}, takes_others=True)
        known = _resolved(target)
        hints = {p.name: _hint(p, known) for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        others = [known.get(p.name) for p in parameters if p.kind is p.VAR_KEYWORD]
        listed = [get_args(hint)[0] for hint in others if get_origin(hint) is typing.Unpack]
        for options in listed:  # **options: Unpack[a TypedDict]
            hints |= typing.get_type_hints(options)
        return cls(hints, takes_others=len(others) > len(listed))


def _hint(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    hint = hints.get(parameter.name, Any)
    return hint | None if parameter.default is None and hint is not Any else hint


def _resolved(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
    except Exception:  # names that exist for type checkers alone
        return {}
