"""The random hand: what it does follows from the seed alone, when it does it is logged."""
import collections, threading, time


BOTH_SECONDS = 2


class Skipped(Exception):
    """It was never time for it."""


class Act:
    """Something that is done to a target, and undone after a while."""

    def __init__(self, kind, target, seconds, begin, end=None):
        self.kind, self.target, self.seconds, self.begin, self.end = kind, target, seconds, begin, end

    def __str__(self):
        return f"{self.kind} {self.target}" + (f" {self.seconds:.1f} s" if self.seconds else "")


def acts(random, agents, broker, database, spool, proxies):
    """kind -> (how often it is chosen beside the others, a function that makes one)."""

    def kill():
        agent = random.choice(agents)
        return Act("kill -9", agent.name, 0, agent.kill)

    def pause(kinds, least, most):
        agent = random.choice([agent for agent in agents if agent.kind in kinds])
        return Act("pause", agent.name, random.uniform(least, most), lambda: agent.pause(True), lambda: agent.pause(False))

    def server(name, of, how):
        return Act(f"stop {how}", name, random.uniform(0.2, 4), lambda: of.stop(how), of.start)

    def line(kind):
        name = random.choice(list(proxies))
        proxy = proxies[name]
        if kind == "cut":
            return Act("cut", f"line to {name}", 0, proxy.cut)
        if kind == "refuse":
            return Act("refuse", f"line to {name}", random.uniform(1, 3), lambda: proxy.refuse(True), lambda: proxy.refuse(False))
        delay = random.uniform(0.05, 0.3)
        return Act("delay", f"line to {name}", random.uniform(2, 5), lambda: proxy.delay(delay), lambda: proxy.delay(0))

    return {
        "kill": (8, kill),
        "pause past the session": (2, lambda: pause(("publish", "transform", "store"), 4, 6)),
        "pause past the transaction": (1, lambda: pause(("transform",), 7, 9)),
        "broker stopped": (1, lambda: server("broker", broker, "TERM")),
        "broker killed": (1, lambda: server("broker", broker, "KILL")),
        "database stopped": (1, lambda: server("database", database, "fast")),
        "database stopped at once": (1, lambda: server("database", database, "immediate")),
        "spool full": (1, lambda: Act("fill", "the spool's disk", random.uniform(4, 8), spool.fill, spool.free)),
        "line cut": (3, lambda: line("cut")),
        "line refused": (1, lambda: line("refuse")),
        "line slow": (1, lambda: line("delay")),
    }


def plan(random, seconds, kinds):
    """[(when, act)]: each kind once, then by chance."""
    order, weights = list(kinds), [weight for weight, _ in kinds.values()]
    random.shuffle(order)
    chosen, when = [], 2.0
    while when < seconds:
        kind = order.pop() if order else random.choices(list(kinds), weights)[0]
        chosen.append((when, kinds[kind][1]()))
        when += random.uniform(0.5, 3)
    return chosen


def kill_in_turns(random, pairs, seconds, least):
    """[(when, act)]: one of two publishers of the same feed, when both have brought `least` records a second for a while. What
    this one had not sent, the other one then has; a kill before that would cut both."""

    turns = {pair: threading.Lock() for pair in pairs}
    until = time.monotonic() + seconds  # Then the market is over.

    def kill(pair, agent):
        with turns[pair]:
            since = now = time.monotonic()
            while now - since < BOTH_SECONDS:
                if now > until:
                    raise Skipped
                time.sleep(0.1)
                now = time.monotonic()
                if not all(each.brings(least) for each in pair):
                    since = now
            agent.kill()

    chosen, when = [], 3.0
    while when < seconds:
        pair = random.choice(pairs)
        agent = random.choice(pair)
        chosen.append((when, Act("kill -9", agent.name, 0, lambda pair=pair, agent=agent: kill(pair, agent))))
        when += random.uniform(1, 4)
    return chosen


class Hand:
    """Works through a plan beside whatever else happens; join() returns when all is undone."""

    def __init__(self, chosen, say):
        self._plan, self._say, self._began = chosen, say, time.monotonic()
        self.done, self.failures = [], []
        self._locks = collections.defaultdict(threading.Lock)  # One thing at a time for each target.
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        doing = []
        for when, act in self._plan:
            time.sleep(max(self._began + when - time.monotonic(), 0))
            doing.append(threading.Thread(target=self._do, args=(act,), daemon=True))
            doing[-1].start()
        for each in doing:
            each.join()

    def _do(self, act):
        with self._locks[act.target]:
            try:
                act.begin()
                self._say(f"hand: {act}")
                if act.end:
                    time.sleep(act.seconds)
                    act.end()
                    self._say(f"hand: {act} is over")
                self.done.append(act)
            except Skipped:
                pass
            except Exception as error:
                self.failures.append(f"{act}: {error}")

    def is_busy(self):
        return self._thread.is_alive()
