from common import raises
from mulligan.core import schema
from mulligan.core.errors import FormatError

WANTED = {
    "type": "object",
    "required": ["level"],
    "additionalProperties": False,
    "properties": {
        "level": {"type": "integer", "minimum": 0, "maximum": 9},
        "name": {"type": "string", "minLength": 1, "maxLength": 4},
        "mode": {"enum": ["fast", "slow", 1]},
        "on": {"type": "boolean"},
        "pins": {"type": "array", "maxItems": 2, "items": {"type": "integer"}},
        "nothing": {"type": "null"},
        "inner": {"type": "object", "properties": {"x": {"type": "integer"}}},
    },
}


def test_what_fits():
    for value in (
        {"level": 0}, {"level": 9, "name": "a", "on": False}, {"level": 1, "mode": "slow"}, {"level": 1, "mode": 1},
        {"level": 1, "pins": []}, {"level": 1, "pins": [4, 5], "nothing": None}, {"level": 1, "inner": {"x": 1, "y": "z"}},
    ):  # fmt: skip
        schema.check(WANTED, value, "config")
    schema.check({}, [1, "a", None], "config")
    schema.check({"type": "array", "minItems": 1}, [0], "config")


def test_what_does_not_and_what_is_said():
    for value, said in (
        ({}, "config: level is missing"),
        ({"level": 10}, "config.level: 10, outside of 0 to 9"),
        ({"level": -1}, "config.level: -1"),
        ({"level": True}, "config.level: not of type integer"),
        ({"level": "1"}, "config.level: not of type integer"),
        ({"level": 1, "more": 1}, "config: more is not known"),
        ({"level": 1, "name": ""}, "config.name: 0 characters"),
        ({"level": 1, "name": "abcde"}, "config.name: 5 characters"),
        ({"level": 1, "mode": "other"}, "config.mode: not one of"),
        ({"level": 1, "mode": True}, "config.mode: not one of"),
        ({"level": 1, "on": 1}, "config.on: not of type boolean"),
        ({"level": 1, "pins": [1, 2, 3]}, "config.pins: 3 elements"),
        ({"level": 1, "pins": [1, "2"]}, "config.pins[1]: not of type integer"),
        ({"level": 1, "nothing": 0}, "config.nothing: not of type null"),
        ({"level": 1, "inner": {"x": "1"}}, "config.inner.x: not of type integer"),
        ([], "config: not of type object"),
    ):
        assert str(raises(FormatError, schema.check, WANTED, value, "config")).startswith(said), said


def test_a_schema_is_read_strictly_too():
    for bad in ([], {"typ": "object"}, {"type": "number"}, {"pattern": "a"}):
        assert "schema" in str(raises(FormatError, schema.check, bad, {}, "config"))
