"""The interpreter's tests. A package, as the schema package of the same name would hide a plain directory."""
