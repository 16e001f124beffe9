from mulligan.core import bootchooser as b
from mulligan.core.journal import MAX_STARTS

CAUSES = (0, b.POWER_ON, b.HARD, b.WATCHDOG, b.DEEP_SLEEP, b.SOFT, 6)


def test_the_whole_table():
    seen = set()
    for on_trial in (False, True):
        for starts in range(MAX_STARTS + 2):
            for faults in range(4):
                for attempts in range(1, 4):
                    for cause in CAUSES:
                        action, fault = b.choose(on_trial, starts, faults, attempts, cause)
                        seen.add(action)
                        assert fault == (on_trial and starts > 0 and cause in (b.HARD, b.WATCHDOG))
                        if not on_trial:
                            assert action == b.SERVE
                        elif faults + fault >= attempts or starts >= MAX_STARTS:
                            assert action == b.ROLL_BACK
                        else:
                            assert action == b.TRY
    assert seen == {b.SERVE, b.TRY, b.ROLL_BACK}


def test_power_cuts_alone_never_count_as_faults_but_are_bounded():
    starts = boots = 0
    while b.choose(True, starts, 0, 1, b.POWER_ON)[0] == b.TRY:
        starts += 1
        boots += 1
        assert boots < 100
    assert boots == MAX_STARTS


def test_a_reset_before_the_first_start_is_nobodys_fault():
    assert b.choose(True, 0, 0, 1, b.WATCHDOG) == (b.TRY, False)
