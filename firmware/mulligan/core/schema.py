"""Does a JSON value fit a schema? The words of JSON Schema (draft 2020-12) that a small configuration needs, and no others."""

from .errors import FormatError

_WORDS = (
    "type", "properties", "required", "additionalProperties", "items", "enum", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "title", "description", "default", "$schema",
)  # fmt: skip
_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def check(schema, value, where):
    """Raises: FormatError where ``value``, called ``where``, does not fit, or where ``schema`` has a word that is not known."""
    if not isinstance(schema, dict):
        raise FormatError("schema of {}: not an object".format(where))
    for word in schema:
        if word not in _WORDS:
            raise FormatError("schema of {}: {} is not known here".format(where, word))
    if "type" in schema:
        kind = _TYPES.get(schema["type"])
        if kind is None:
            raise FormatError("schema of {}: no type {}".format(where, schema["type"]))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise FormatError("{}: not of type {}".format(where, schema["type"]))
    if "enum" in schema and not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in schema["enum"]):
        raise FormatError("{}: not one of {}".format(where, schema["enum"]))
    if isinstance(value, dict):
        _object(schema, value, where)
    elif isinstance(value, list):
        _within(schema, len(value), "minItems", "maxItems", where, " elements")
        if "items" in schema:
            for i, item in enumerate(value):
                check(schema["items"], item, "{}[{}]".format(where, i))
    elif isinstance(value, str):
        _within(schema, len(value), "minLength", "maxLength", where, " characters")
    elif isinstance(value, int) and not isinstance(value, bool):
        _within(schema, value, "minimum", "maximum", where, "")


def _object(schema, value, where):
    properties = schema.get("properties", {})
    for key in schema.get("required", ()):
        if key not in value:
            raise FormatError("{}: {} is missing".format(where, key))
    for key, item in value.items():
        if key in properties:
            check(properties[key], item, where + "." + key)
        elif schema.get("additionalProperties") is False:
            raise FormatError("{}: {} is not known".format(where, key))


def _within(schema, figure, low, high, where, what):
    if figure < schema.get(low, figure) or figure > schema.get(high, figure):
        raise FormatError("{}: {}{}, outside of {} to {}".format(where, figure, what, schema.get(low, ""), schema.get(high, "")))
