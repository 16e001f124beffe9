"""JSON (RFC 8259) as signed documents may use it: strict, bounded, and the same on host and device.

MicroPython's own json accepts ``{"a" 1}``, ``01`` and duplicate keys, so two readers of one signed text could disagree.
This scanner accepts a subset of JSON: objects, arrays, strings, integers, true, false and null; no floats, no duplicate keys,
no depth beyond MAX_DEPTH. It reads the raw bytes.
"""

from .errors import FormatError

MAX_DEPTH = 8
MAX_INTEGER = 1 << 53  # what every JSON reader can hold exactly (RFC 8259 section 6)

_ESCAPES = {0x22: '"', 0x5C: "\\", 0x2F: "/", 0x62: "\b", 0x66: "\f", 0x6E: "\n", 0x72: "\r", 0x74: "\t"}
# What may follow a lead byte where it is not 80 to BF (Unicode 15, table 3-7): no overlong form, no surrogate.
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
_WORDS = ((b"true", True), (b"false", False), (b"null", None))


def loads(raw):
    """The value that ``raw`` (bytes) spells. Raises: FormatError, naming the byte offset."""
    scanner = _Scanner(raw)
    value = scanner.value(0)
    scanner.space()
    if scanner.at != len(raw):
        scanner.fail("text after the value")
    return value


class _Scanner:
    def __init__(self, raw):
        self.raw = bytes(raw)
        self.at = 0

    def fail(self, what):
        raise FormatError("JSON: " + what + " at byte " + str(self.at))

    def peek(self):
        if self.at >= len(self.raw):
            self.fail("ends too early")
        return self.raw[self.at]

    def space(self):
        while self.at < len(self.raw) and self.raw[self.at] in b" \t\r\n":
            self.at += 1

    def value(self, depth):
        self.space()
        c = self.peek()
        if c in b"{[":
            if depth == MAX_DEPTH:
                self.fail("nested too deep")
            return self.object(depth) if c == 0x7B else self.array(depth)
        if c == 0x22:
            return self.string()
        if c == 0x2D or 0x30 <= c <= 0x39:
            return self.integer()
        for word, value in _WORDS:
            if self.raw[self.at : self.at + len(word)] == word:
                self.at += len(word)
                return value
        return self.fail("no value")

    def object(self, depth):
        self.at += 1
        result = {}
        self.space()
        if self.peek() == 0x7D:
            self.at += 1
            return result
        while True:
            self.space()
            if self.peek() != 0x22:
                self.fail("no key")
            key = self.string()
            if key in result:
                self.fail("duplicate key " + key)
            self.space()
            if self.peek() != 0x3A:
                self.fail("no colon")
            self.at += 1
            result[key] = self.value(depth + 1)
            if self.ends(0x7D):
                return result

    def array(self, depth):
        self.at += 1
        result = []
        self.space()
        if self.peek() == 0x5D:
            self.at += 1
            return result
        while True:
            result.append(self.value(depth + 1))
            if self.ends(0x5D):
                return result

    def ends(self, closing):
        """True past ``closing``, False past a comma."""
        self.space()
        c = self.peek()
        if c != closing and c != 0x2C:
            self.fail("no comma")
        self.at += 1
        return c == closing

    def integer(self):
        start = self.at
        if self.raw[start] == 0x2D:
            self.at += 1
        first = self.at
        while self.at < len(self.raw) and 0x30 <= self.raw[self.at] <= 0x39:
            self.at += 1
        digits = self.at - first
        if not digits or digits > 16 or (digits > 1 and self.raw[first] == 0x30):
            self.fail("bad integer")
        if self.at < len(self.raw) and self.raw[self.at] in b".eE":
            self.fail("not an integer")
        value = int(self.raw[start : self.at].decode())
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            self.fail("integer out of range")
        return value

    def string(self):
        self.at += 1
        parts = []
        start = self.at
        while True:
            c = self.peek()
            if c < 0x20:
                self.fail("control character")
            if c == 0x22 or c == 0x5C:
                parts.append(_utf8(self, start))
                self.at += 1
                if c == 0x22:
                    return "".join(parts)
                parts.append(self.escape())
                start = self.at
            else:
                self.at += 1

    def escape(self):
        c = self.peek()
        self.at += 1
        if c in _ESCAPES:
            return _ESCAPES[c]
        if c != 0x75:
            self.fail("bad escape")
        code = self.code()
        if 0xD800 <= code < 0xDC00 and self.raw[self.at : self.at + 2] == b"\\u":
            self.at += 2
            low = self.code()
            if 0xDC00 <= low < 0xE000:
                return chr(0x10000 + (code - 0xD800 << 10 | low - 0xDC00))
        if 0xD800 <= code < 0xE000:
            self.fail("half of a surrogate pair")
        return chr(code)

    def code(self):
        code = 0
        for _ in range(4):
            digit = b"0123456789abcdef".find(bytes([self.peek() | 0x20]))
            if digit < 0 or self.peek() < 0x30:
                self.fail("bad escape")
            code = code << 4 | digit
            self.at += 1
        return code


def _utf8(scanner, start):
    """The text from ``start`` on. MicroPython's decoder lets overlong forms and surrogates pass, so they are found here."""
    raw = scanner.raw[start : scanner.at]
    i = 0
    while i < len(raw):
        lead = raw[i]
        size = 1 if lead < 0x80 else 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 0
        if not size or i + size > len(raw):
            scanner.fail("not UTF-8")
        low, high = _SECOND.get(lead, (0x80, 0xBF))
        for k in range(1, size):
            if not low <= raw[i + k] <= high:
                scanner.fail("not UTF-8")
            low, high = 0x80, 0xBF
        i += size
    return raw.decode()
