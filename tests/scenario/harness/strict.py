# SPDX-License-Identifier: MIT
"""The openai SDK's own types, made strict: no unknown key, no conversion, every list read to its end.

The SDK's parameter types are TypedDicts whose iterables pydantic reads lazily and whose unknown keys it ignores,
so they are rebuilt as models that forbid extras. What the SDK would not let a caller write, a provider must not
get from us.
"""

import collections.abc
import functools
import types
import typing

import pydantic
import typing_extensions
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

_STRICT = pydantic.ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
_ITERABLES = (collections.abc.Iterable, collections.abc.Sequence, list)
_UNIONS = (typing.Union, types.UnionType)
_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired)


def strict(annotation):
    if typing_extensions.is_typeddict(annotation):
        return strict_model(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in _WRAPPERS:
        return strict(args[0])
    if origin in _UNIONS:
        return typing.Union[tuple(strict(a) for a in args)]  # noqa: UP007 (the members are values here)
    if origin in _ITERABLES:
        return list[strict(args[0])]
    if origin in (dict, collections.abc.Mapping):
        return dict[args[0], strict(args[1])]
    return annotation


def is_required(typed_dict, name, hint):
    """`__required_keys__` knows the class's totality alone: the SDK's annotations are strings when it is computed."""
    while (origin := typing.get_origin(hint)) in _WRAPPERS:
        if origin is not typing.Annotated:
            return origin is typing.Required
        hint = typing.get_args(hint)[0]
    return name in typed_dict.__required_keys__


@functools.cache
def strict_model(typed_dict):
    hints = typing_extensions.get_type_hints(typed_dict, include_extras=True)
    fields = {}
    for name, hint in hints.items():
        default = ... if is_required(typed_dict, name, hint) else None
        fields[f"f_{name}"] = (strict(hint), pydantic.Field(default, alias=name))
    return pydantic.create_model(f"Strict{typed_dict.__name__}", __config__=_STRICT, **fields)


@functools.cache
def _chat_completion():
    return pydantic.TypeAdapter(strict_model(CompletionCreateParamsStreaming))


def check_chat_completion(body):
    """Raises pydantic.ValidationError unless this is exactly a streaming chat completion of the SDK."""
    _chat_completion().validate_json(body, strict=True)
