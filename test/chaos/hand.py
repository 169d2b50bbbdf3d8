"""The random hand: what it does follows from the seed alone, when it does it is logged."""
import threading, time


class Act:
    """Something that is done to a target, and undone after a while."""

    def __init__(self, kind, target, seconds, begin, end=None, slow=0):
        self.kind, self.target, self.seconds, self.begin, self.end = kind, target, seconds, begin, end
        self.slow = slow  # Seconds that beginning and end may take.

    def __str__(self):
        return f"{self.kind} {self.target}" + (f" {self.seconds:.1f} s" if self.seconds else "")


def acts(random, agents, broker, database, proxies):
    """kind -> (how often it is chosen beside the others, a function that makes one)."""

    def one(kind, name, seconds, begin, end=None, slow=0):
        return Act(kind, name, seconds, begin, end, slow)

    def kill():
        agent = random.choice(agents)
        return one("kill -9", agent.name, 0, agent.kill)

    def pause(kinds, least, most):
        agent = random.choice([agent for agent in agents if agent.kind in kinds])
        return one("pause", agent.name, random.uniform(least, most), lambda: agent.pause(True), lambda: agent.pause(False))

    def server(name, of, how):
        return one(f"stop {how}", name, random.uniform(0.2, 4), lambda: of.stop(how), of.start, slow=8)

    def line(kind):
        name = random.choice(list(proxies))
        proxy = proxies[name]
        if kind == "cut":
            return one("cut", f"line to {name}", 0, proxy.cut)
        if kind == "refuse":
            return one("refuse", f"line to {name}", random.uniform(1, 3), lambda: proxy.refuse(True), lambda: proxy.refuse(False))
        delay = random.uniform(0.05, 0.3)
        return one("delay", f"line to {name}", random.uniform(2, 5), lambda: proxy.delay(delay), lambda: proxy.delay(0))

    return {
        "kill": (8, kill),
        "pause past the session": (2, lambda: pause(("publish", "transform", "store"), 4, 6)),
        "pause past the transaction": (1, lambda: pause(("transform",), 7, 9)),
        "broker stopped": (1, lambda: server("broker", broker, "TERM")),
        "broker killed": (1, lambda: server("broker", broker, "KILL")),
        "database stopped": (1, lambda: server("database", database, "fast")),
        "database stopped at once": (1, lambda: server("database", database, "immediate")),
        "line cut": (3, lambda: line("cut")),
        "line refused": (1, lambda: line("refuse")),
        "line slow": (1, lambda: line("delay")),
    }


def plan(random, seconds, kinds):
    """[(when, act)]: each kind once, then by chance. One thing at a time for each target, whatever else is going on."""
    order, weights = list(kinds), [weight for weight, _ in kinds.values()]
    random.shuffle(order)
    chosen, when, busy_until = [], 2.0, {}
    while when < seconds:
        kind = order.pop() if order else random.choices(list(kinds), weights)[0]
        act = kinds[kind][1]()
        if busy_until.get(act.target, 0) <= when:
            chosen.append((when, act))
            busy_until[act.target] = when + act.seconds + act.slow
        when += random.uniform(0.5, 3)
    return chosen


class Hand:
    """Works through a plan beside whatever else happens; join() returns when all is undone."""

    def __init__(self, chosen, say):
        self._plan, self._say, self._began = chosen, say, time.monotonic()
        self.done, self.failures = [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        doing = []
        for when, act in self._plan:
            if self._stop.wait(max(self._began + when - time.monotonic(), 0)):
                break
            doing.append(threading.Thread(target=self._do, args=(act,), daemon=True))
            doing[-1].start()
        for each in doing:
            each.join()

    def _do(self, act):
        try:
            self._say(f"hand: {act}")
            self.done.append(act)
            act.begin()
            if act.end:
                self._stop.wait(act.seconds)
                act.end()
                self._say(f"hand: {act} is over")
        except Exception as error:
            self.failures.append(f"{act}: {error}")

    def is_busy(self):
        return self._thread.is_alive()
