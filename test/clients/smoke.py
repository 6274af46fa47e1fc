"""redis-py's RedisCluster through a failover. Usage: smoke.py HOST:PORT STAGE

STAGE is a directory of event files; see protocol.go. The last line printed is
a summary; the exit status is 0 if every acknowledged write could be read.
"""
import logging
import os
import sys
import time

import redis
from redis.cluster import RedisCluster

logging.disable(logging.CRITICAL)  # redis-py logs each refused connection; failures are counted below
host, port = sys.argv[1].rsplit(":", 1)
stage = sys.argv[2]


def happened(event):
    return os.path.exists(os.path.join(stage, event))


def announce(event):
    open(os.path.join(stage, event), "w").close()


def connect():
    return RedisCluster(host=host, port=int(port), socket_timeout=3, socket_connect_timeout=3, cluster_error_retry_attempts=5)


def insist(command, key, *rest):
    """A busy machine can cost a leader its place; such a command may be repeated."""
    for _ in range(100):
        try:
            return command(key, *rest)
        except (redis.exceptions.RedisError, OSError) as e:
            problem = e
            time.sleep(0.02)
    sys.exit("%s: %r" % (key, problem))


client = connect()
for i in range(1000):
    assert insist(client.set, "py:%d" % i, "v%d" % i)
for i in range(1000):
    got = insist(client.get, "py:%d" % i)
    assert got == b"v%d" % i, "py:%d is %r" % (i, got)

# Each key is written once, so a retried write cannot undo another one.
acked, failed, seq, in_a_row, began = 0, 0, 0, 0, time.time()
errors = {}
while not happened("stop"):
    if time.time() - began > 120:
        sys.exit("nobody said stop")
    key = "py:w:%d" % seq
    while True:
        try:
            client.set(key, seq)
            break
        except (redis.exceptions.RedisError, OSError) as e:
            failed, in_a_row = failed + 1, 0
            errors[type(e).__name__] = errors.get(type(e).__name__, 0) + 1
            if happened("stop"):
                sys.exit("still failing when told to stop: %r" % e)
            time.sleep(0.05)
    acked, seq, in_a_row = acked + 1, seq + 1, in_a_row + 1
    if seq == 200:
        announce("writing")
    if happened("killed") and in_a_row == 50:
        announce("resumed")
    if not happened("killed"):
        in_a_row = 0

lost = [k for k in range(seq) if insist(client.get, "py:w:%d" % k) != b"%d" % k]
lost += [i for i in range(1000) if insist(client.get, "py:%d" % i) != b"v%d" % i]
print("redis-py %s: acknowledged %d, failed attempts %d %s, lost %d %s" % (redis.__version__, acked, failed, errors, len(lost), lost[:5]))
sys.exit(1 if lost else 0)
