"""A board on a cable that runs MicroPython: what is done over its REPL."""
