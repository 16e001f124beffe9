# What a board is and holds. paths: files to hash, and directories: to hash with all below: a line each, the hash first.
import gc
import os
import sys
from binascii import hexlify
from hashlib import sha256

import machine
from esp32 import Partition


def digest(path, buf):
    h = sha256()
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                return hexlify(h.digest()).decode()
            h.update(memoryview(buf)[:n])


def walk(path, buf):
    try:
        entries = os.ilistdir(path)
    except OSError:
        return
    for entry in entries:
        name = path + "/" + entry[0]
        if entry[1] & 0x4000:
            walk(name, buf)
        else:
            print(digest(name, buf), name)


def folders(path):
    """How many directories are below ``path``, those of app slots left out, which are mounted there."""
    count = 0
    for entry in os.ilistdir(path or "/"):
        name = path + "/" + entry[0]
        if entry[1] & 0x4000 and os.statvfs(name) == os.statvfs("/"):
            count += 1 + folders(name)
    return count


def look(paths, directories):
    buf = bytearray(512)
    for path in paths:
        try:
            print(digest(path, buf), path)
        except OSError:
            pass
    for path in directories:
        walk(path, buf)
    rows = []
    for kind in (0, 1, 0x40):
        for partition in Partition.find(kind):
            info = partition.info()
            rows.append(info[:5] + (int(info[5]),))  # the flags of a row
    try:
        config = open("/mulligan.json").read()
    except OSError:
        config = None
    try:
        running = Partition(Partition.RUNNING).info()[4]  # type: ignore[arg-type]
    except OSError:
        running = None
    where = None
    if "mulligan" in sys.modules:
        where = getattr(sys.modules["mulligan"], "__file__", "")
    stat = os.statvfs("/")
    gc.collect()
    return {
        "version": list(sys.implementation.version[:3]),
        "mpy": getattr(sys.implementation, "_mpy", 0),
        "machine": getattr(sys.implementation, "_machine", ""),
        "id": hexlify(machine.unique_id()).decode(),
        "cause": machine.reset_cause(),
        "heap": gc.mem_free(),
        "block": stat[0],
        "blocks": stat[2],
        "free": stat[3] + 2 * folders(""),  # of littlefs, statvfs() counts the two blocks of each directory twice
        "running": running,
        "partitions": rows,
        "config": config,
        "mulligan": where,
        "path": sys.path,
    }
