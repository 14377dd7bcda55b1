"""The model of benches/simulate.rs in SimPy, for comparison: one day of one group with twenty alarms, load each second.

A fair one: plain attributes and lists, no tracing, nothing recorded. It leaves out what the engine does besides (reasons,
histories, messages, causes, identifiers, addresses), so it has less to do. Prints a line of JSON.
"""

import json
import math
import random
import sys
import time

import simpy

DAY = 86_400
ALARMS = 20
BOOT, TERMINATE, COOLDOWN = 40, 56, 300
BASE, SERVICE, LATENCY_CAP = 2, 50, 10_000


class Group:
    """Machines that share a load, and what they showed in the last minutes."""

    def __init__(self, env):
        self.env = env
        self.desired = self.serving = 1
        self.busy = False
        self.cooldown_until = 0.0
        self.demand = 0.0
        self.cpu = self.latency = self.requests = 0.0
        self.since = 0.0
        self.minutes = []
        self.over = self.changes = 0

    def settle(self):
        now = self.env.now
        span, self.since = now - self.since, now
        each = self.demand / self.serving
        share = (each - BASE) / (100 - BASE)
        self.cpu += min(100.0, each) * span
        self.latency += (LATENCY_CAP if share >= 1 else min(LATENCY_CAP, SERVICE / (1 - max(0.0, share)))) * span
        self.requests += max(0.0, share) * self.serving * 100 * span

    def minute(self):
        """Closes a minute, as the engine does: its datapoint, and whether it was over the objective."""
        self.settle()
        self.minutes.append(self.cpu / 60)
        self.over += self.latency / 60 > 10 * SERVICE
        self.cpu = self.latency = self.requests = 0.0
        if len(self.minutes) > 8:
            del self.minutes[0]

    def scale(self, by):
        wanted = max(1, min(6, self.desired + by))
        if self.busy or self.env.now < self.cooldown_until or wanted == self.desired:
            return
        self.desired = wanted
        self.changes += 1
        self.busy = True
        self.env.process(self.follow())

    def follow(self):
        yield self.env.timeout(BOOT if self.desired > self.serving else TERMINATE)
        self.settle()
        self.serving = self.desired
        self.busy = False
        self.cooldown_until = self.env.now + COOLDOWN


def load(env, group):
    while True:
        group.settle()
        group.demand = 10 + 240 * math.sin(math.pi * env.now / DAY) ** 2
        yield env.timeout(1)


def measure(env, group):
    while True:
        yield env.timeout(60)
        group.minute()


def alarm(env, group, offset, breaches, threshold, needed, periods, act):
    state = False
    yield env.timeout(offset)
    while True:
        window = group.minutes[-periods:]
        state = sum(1 for value in window if breaches(value, threshold)) >= needed
        if state and act:
            group.scale(act)
        yield env.timeout(60)


def day(seed):
    draw = random.Random(seed)
    env = simpy.Environment()
    group = Group(env)
    env.process(load(env, group))
    env.process(measure(env, group))
    above, below = (lambda value, limit: value >= limit), (lambda value, limit: value <= limit)
    env.process(alarm(env, group, draw.random() * 60, above, 70, 2, 2, 1))
    env.process(alarm(env, group, draw.random() * 60, below, 25, 5, 5, -1))
    for number in range(2, ALARMS):
        env.process(alarm(env, group, draw.random() * 60, above, 40 + number * 3, 2, 3, 0))
    env.run(until=DAY)
    return group


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    times = []
    for seed in range(repeats):
        started = time.perf_counter()
        group = day(seed)
        times.append(time.perf_counter() - started)
        assert group.changes > 1, "nothing happened"
    median = sorted(times)[len(times) // 2]
    events = DAY + DAY // 60 * (ALARMS + 1)
    print(json.dumps({"day_ms": median * 1000, "events": events, "events_per_second": events / median}))


if __name__ == "__main__":
    main()
