from common import raises
from mulligan.core import semver
from mulligan.core.errors import FormatError

# The order of semver.org 2.0.0, section 11, and more.
ASCENDING = (
    "0.0.1", "0.9.10", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
    "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.2.0-bad", "1.2.0", "1.10.0", "10.0.0",
)  # fmt: skip


def test_orders_as_the_standard_does():
    for i in range(len(ASCENDING)):
        for j in range(len(ASCENDING)):
            assert semver.at_least(ASCENDING[i], ASCENDING[j]) == (i >= j), (ASCENDING[i], ASCENDING[j])


def test_refuses_what_is_no_version():
    for text in ("", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+build", "v1.2.3", "1.2.x",
                 "1.2.-3", "1.2.3-a_b", "1.2.3-" + "a" * 20):  # fmt: skip
        raises(FormatError, semver.parse, text)
