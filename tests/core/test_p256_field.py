import sys

from core.shamir import P, raw, scaled
from mulligan.core import p256_field, p256_plain

EDGES = [0, 1, P - 1, P, P + 1, 2**256 - 1, 2**255, 2**96 - 1, (1 << 260) % P, 8191]
MACHINES = (p256_field, p256_plain)


def value(n):
    """What the input ``n`` stands for."""
    return n * pow(1 << 260, P - 2, P) % P


def numbers(count):
    """Numbers below 2**256 without a pattern, the same each time."""
    n = 1
    found = []
    for _ in range(count):
        n = n * 6364136223846793005 % (2**256 - 189) ^ n >> 77
        found.append(n % 2**256)
    return found


def test_each_operation():
    """All in two programs for each pair of numbers; and of one of them, in turn, that another result is not taken for it."""
    sums = [b"c=a" + op + b"b" + shift for op in (b"+", b"-") for shift in (b" ", b"1", b"2", b"3")]
    pairs = [(a, b) for a in EDGES for b in EDGES] + list(zip(numbers(20), numbers(40)[20:]))
    for machine in MACHINES:
        registers = machine.registers(P)
        for i, (a, b) in enumerate(pairs):
            x, y = value(a), value(b)
            results = [x + (y << shift) for shift in range(4)] + [x - (y << shift) for shift in range(4)]
            for cases in ([(b"c=a*b ", x * y)], list(zip(sums, results))):
                program = b"a=in0 b=in1 "
                for k, (operation, _) in enumerate(cases):
                    program += operation + b"e=in%d d?c-e " % (k + 2)
                inputs = [a, b] + [scaled(result % P) for _, result in cases]
                assert machine.run(registers, program + b".", 0, raw(*inputs)), (machine, a, b)
                operation, result = cases[i % len(cases)]
                program = b"a=in0 b=in1 e=in2 " + operation
                for wrong, check in ((0, b"!"), (1, b"?")):
                    inputs = raw(a, b, scaled((result + wrong) % P))
                    assert not machine.run(registers, program + b"d" + check + b"c-e .", 0, inputs), (machine, a, b, operation)


def test_zero_is_seen_whatever_multiple_of_p_stands_for_it():
    for machine in MACHINES:
        registers = machine.registers(P)
        for zero in (b"z=in0 ", b"z=in1 ", b"a=in2 z=a-a ", b"a=in2 z=a-a z=z+z ", b"a=in2 z=a*o ", b"a=in1 z=a*a ", b"z=o-o3"):
            for check in (b"z?z+o .", b"c?o-z .", b"c?z*z .", b"c?z+z .", b"c=z+z3c?c-z2."):
                assert machine.run(registers, zero + check, 0, raw(0, P, 7)), (machine, zero, check)
                assert not machine.run(registers, zero + check.replace(b"?", b"!"), 0, raw(0, P, 7))
        for nonzero in (b"z=in0 ", b"z=in1 ", b"z=in2 ", b"z=in3 "):
            assert machine.run(registers, nonzero + b"z!z+o z!o-z .", 0, raw(1, P + 1, P - 1, 2**256 - 1))


def test_a_long_calculation():
    """Every result is an operand again, with the largest shifts, so that no range runs over unnoticed."""
    for machine in MACHINES:
        registers = machine.registers(P)
        for start in EDGES + numbers(10):
            x = y = value(start)
            machine.run(registers, b"x=in0 y=in0 .", 0, raw(start))
            for _ in range(8):
                machine.run(registers, b"x=x+y3x=x+x3y=y-x3y=y-x3x=x*y x=x-y3y=o-y3y=y*y y=x-y .", 0, b"")
                x = x + 8 * y
                x = x + 8 * x
                y = y - 16 * x
                x = x * y - 8 * y
                y = x - 64 * y * y
            assert machine.run(registers, b"a=in0 b=in1 a?a-x b?b-y .", 0, raw(scaled(x % P), scaled(y % P)))


def test_constants_and_inputs():
    for machine in MACHINES:
        registers = machine.registers(P)
        # A plain number times k is that number; i is 1, o is 0; input 9, from an offset.
        assert machine.run(registers, b"a=in0 a=a*k b=in9 c?a-b .", 3, b"abc" + raw(77, *[0] * 8) + raw(scaled(77)))
        assert machine.run(registers, b"a=in0 c?a-i c?o+o .", 0, raw(scaled(1)))


def test_a_stop_leaves_the_rest_undone():
    for machine in MACHINES:
        registers = machine.registers(P)
        assert machine.run(registers, b"x=i+o .", 0, b"")
        assert not machine.run(registers, b"a?i+o x=o+o .", 0, b"")
        assert not machine.run(registers, b"a!o+o x=o+o .", 0, b"")
        assert machine.run(registers, b"a?x-i .", 0, b"")


def test_machine_code_allocates_nothing():
    if p256_field.run is p256_plain.run:
        return
    import micropython

    registers = p256_field.registers(P)
    program, inputs = b"a=in0 b=in1 c=a*b c=c-a3c=c+b d!c+o e?d-c .", raw(5, 7)
    micropython.heap_lock()
    try:
        done = p256_field.run(registers, program, 0, inputs)
    finally:
        micropython.heap_unlock()
    assert done == 1


def test_which_machine():
    expected = p256_plain.run
    if sys.implementation.name == "micropython":
        try:
            from mulligan.core import p256_viper

            expected = p256_viper.run
        except (ImportError, SyntaxError, ValueError):
            pass
    assert p256_field.run is expected
