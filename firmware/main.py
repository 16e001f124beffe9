# The example app: it infers all the time, lets Mulligan take one step after each inference, and shows that its own work goes on.
import mulligan
from mulligan.core.errors import NotAvailable

NAME = "digits"


def main():
    steps = longest = count = 0
    version = None
    while True:
        try:
            with mulligan.model(NAME) as m:
                m.invoke(bytes(64))
                served = m.version
            count += 1
            longest = max(longest, steps)
            steps = 0
        except NotAvailable:
            served = None
        mulligan.step()
        steps += 1
        if served != version or (served and count % 64 == 0):
            version = served
            status = mulligan.status()
            facts = ["{}={}".format(key, status[key]) for key in ("longest_step_us", "heap_peak", "heap")]
            print("app: version={} inferences={} gap_steps={}".format(version, count, longest), *facts)


main()
