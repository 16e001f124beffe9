# Take a release from the host at the other end of the cable; the names of what is on trial then. Reports in between.
import mulligan
from mulligan.port.cable import Client


def on_trial():
    return [a["name"] for a in mulligan.status()["artifacts"] if a["trial"]]


def push():
    mulligan.take(Client())
    while not mulligan.step() and not on_trial():
        pass
    return on_trial()
