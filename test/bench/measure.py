"""What every section of scripts/bench is made of: processes and what they cost, pairs that take turns, figures."""
import atexit, os, re, signal, statistics, subprocess, sys, threading, time
from dataclasses import dataclass

options = None  # What run.py was asked for.
figures = []    # What goes into the JSON, in order.
section = ""    # That runs now.


def say(text):
    print(text, file=sys.stderr, flush=True)


def brokers():
    return os.environ["KAFKA_BROKERS"]


def database():
    return os.environ["DATABASE_URL"]


def psql(statement, url=None):
    done = subprocess.run(["psql", url or database(), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"psql: {done.stderr.strip()}\nin: {statement}")
    return done.stdout.strip()


# ---- Processes.

_ticks = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()


def cpu_of(pid, children=False):
    """Seconds of user and system time; with those of children that have ended."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15 if children else 13]) / _ticks


def memory_of(pid, which="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"{which}:\s+(\d+)", status.read())[1]) / 1024


def broker_pid():
    return int(open(f"{options.work}/kafka/pid").read())


def broker_cpu():
    return cpu_of(broker_pid())


def database_cpu():
    """The postmaster, its children that are, and those that have ended: those that end meanwhile would be in neither, or in both."""
    postmaster = int(open(f"{options.work}/database/data/postmaster.pid").readline())
    while True:
        total = ended = cpu_of(postmaster, children=True)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if int(_stat(pid)[1]) == postmaster:
                    total += cpu_of(pid, children=True)
            except (FileNotFoundError, ProcessLookupError):
                pass
        if cpu_of(postmaster, children=True) - ended < 0.02:
            return total


_running = set()


def end_all():
    """Where a section gave up half way."""
    for process in list(_running):
        process.kill()
        process.wait()
    _running.clear()


atexit.register(end_all)


def watch(process):
    """Ended with the section, whatever happens."""
    _running.add(process)
    return process


def run(main):
    """Signals end it as Ctrl-C does, which a section does not take for its own giving up; also where a shell started this in the background."""
    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        main()
    except KeyboardInterrupt:
        end_all()
        sys.exit(130)


class Agent:
    """A penstock process, and what it takes."""
    wrapper = []  # Of a profiler.

    def __init__(self, arguments, environment=None):
        self.log = open(f"{options.work}/{arguments[0]}.log", "a")
        self.process = subprocess.Popen([*self.wrapper, options.penstock, *arguments], stdout=self.log, stderr=self.log,
                                        env={**os.environ, **(environment or {})})
        watch(self.process)

    def __enter__(self):
        return self

    def memory_mb(self, which="VmHWM"):
        return memory_of(self.process.pid, which)

    def cpu_seconds(self):
        return cpu_of(self.process.pid)

    def check(self):
        if self.process.poll() is not None:
            sys.exit(f"an agent ended by itself ({' '.join(self.process.args[1:3])}, exit {self.process.returncode}); its log:\n"
                     + open(self.log.name).read()[-2000:])

    def __exit__(self, *_):
        self.check()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60 if self.wrapper else 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit(f"{self.process.args[1]} did not stop within 10 s")
        finally:
            _running.discard(self.process)


@dataclass
class Run:
    """One measurement: how fast, with how much CPU for a million records, and the most memory."""
    rate: float
    cpu: float | None = None
    peak_mb: float | None = None


def timed(command, **more):
    """Runs it; its stdout, seconds, CPU seconds and most memory in MB."""
    began = time.monotonic()
    process = watch(subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more))
    errors = []
    reading = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    reading.start()
    output = process.stdout.read()
    reading.join()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    _running.discard(process)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))[:300]}\nexit {process.returncode}: {errors[0][-2000:]}")
    return output, time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def program(name, *arguments):
    """One of test/bench/*.cpp: what it prints."""
    return timed([f"{options.build}/test/bench_{name}", *arguments])[0]


class Offsets:
    """Answers of bench_offsets."""

    def __init__(self):
        self.process = subprocess.Popen([f"{options.build}/test/bench_offsets", brokers()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        watch(self.process)

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        if not (answer := self.process.stdout.readline()):
            sys.exit(f"bench_offsets ended at: {question}")
        return int(answer)

    def end(self, topic):
        return self.ask(f"end {topic}")

    def committed(self, group, topic):
        return self.ask(f"committed {group} {topic}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        _running.discard(self.process)


# ---- Figures.

def _add(figure):
    figure = {"section": section, **figure}
    figures.append(figure)
    print(row(figure), flush=True)


header = f"{'figure':<62} {'ours':>10} {'limit':>10} {'ratio':>6} {'spread':>11} {'CPU-s/M':>11} {'peak MB':>9}  aim"


def _number(value):
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _pair(ours, limit):
    return "" if ours is None else _number(ours) + (f" : {_number(limit)}" if limit is not None else "")


def reaches(figure):
    """None: it has no aim."""
    if "aim" not in figure:
        return None
    value = figure["ratio"] if "ratio" in figure else figure["median"]
    return value <= figure["aim"] if figure.get("better") == "less" else value >= figure["aim"]


def row(figure):
    aim = "" if "aim" not in figure else ("ok " if reaches(figure) else "MISSED ") + ("<= " if figure.get("better") == "less" else ">= ") + _number(figure["aim"])
    if "ratio" in figure:
        return (f"{figure['figure']:<62} {_number(figure['ours']):>10} {_number(figure['limit']):>10} {figure['ratio']:>6.2f} "
                f"{figure['least']:>5.2f}-{figure['most']:<5.2f} {_pair(figure.get('cpu'), figure.get('limit_cpu')):>11} "
                f"{_pair(figure.get('peak_mb'), None):>9}  {aim}")
    name = f"{figure['figure']}, {figure['unit']}"
    spread = f"{_number(figure['least'])}-{_number(figure['most'])}" if figure["samples"] > 1 else ""
    return f"{name:<62} {_number(figure['median']):>10} {'':>10} {'':>6} {spread:>11} {'':>11} {'':>9}  {aim}"


def _middle(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _broker_compiles():
    """CPU seconds of its Java's compilers, as many as there are: idle ones end."""
    pid, seconds = broker_pid(), 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            if "Compiler" in open(f"/proc/{pid}/task/{task}/comm").read():
                seconds += cpu_of(f"{pid}/task/{task}")
        except (FileNotFoundError, ProcessLookupError):
            pass
    return seconds


def warm_up(run):
    """What does not count: Java compiles the broker's way through it meanwhile, which takes as much CPU as a transformer's records in the first runs, and
    up to a minute. Until two runs, one after the other, went by with less than a twentieth of a core for it; at least three, at most twenty."""
    at_rest = 0
    for at in range(1 if options.quick else 20):
        compiled, began = _broker_compiles(), time.monotonic()
        run()
        took = (_broker_compiles() - compiled) / (time.monotonic() - began)
        at_rest = at_rest + 1 if took < 0.05 else 0
        if at >= 2 and at_rest >= 2:
            break


def pairs(name, unit, limit_name, ours, limit, aim=None, better="more", rounds=None):
    """`ours` and `limit` return a Run; they take turns, and who is first takes turns, too. The figure is the median of the ratios."""
    warm_up(ours)
    ours_runs, limit_runs = [], []
    for at in range(rounds or options.rounds):
        for measure, runs in ((ours, ours_runs), (limit, limit_runs))[:: 1 if at % 2 == 0 else -1]:
            runs.append(measure())
        say(f"  {name}: {_number(ours_runs[-1].rate)} : {_number(limit_runs[-1].rate)}")
    report_pairs(name, unit, limit_name, ours_runs, limit_runs, aim, better)


def report_pairs(name, unit, limit_name, ours_runs, limit_runs, aim=None, better="more"):
    ratios = [a.rate / b.rate for a, b in zip(ours_runs, limit_runs)]
    peaks = [run.peak_mb for run in ours_runs if run.peak_mb is not None]
    figure = {"figure": name, "unit": unit, "limit_name": limit_name, "ours": _middle(r.rate for r in ours_runs), "limit": _middle(r.rate for r in limit_runs),
              "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios), "better": better,
              "pairs": [[a.rate, b.rate] for a, b in zip(ours_runs, limit_runs)],
              "cpu": _middle(r.cpu for r in ours_runs), "limit_cpu": _middle(r.cpu for r in limit_runs), "peak_mb": max(peaks) if peaks else None}
    if aim is not None:
        figure["aim"] = aim
    _add(figure)


def value(name, unit, samples, better="less", aim=None):
    """A figure without a limit."""
    samples = list(samples)
    figure = {"figure": name, "unit": unit, "median": statistics.median(samples), "least": min(samples), "most": max(samples),
              "samples": len(samples), "better": better}
    if aim is not None:
        figure["aim"] = aim
    _add(figure)


def series(name, unit, x_name, points, better="less"):
    """For a plot: {x: samples}. Each point is printed; the JSON has them together."""
    for x, samples in points.items():
        print(row({"figure": f"{name}, {x_name} {x:,}", "unit": unit, "median": statistics.median(samples), "least": min(samples), "most": max(samples),
                   "samples": len(samples)}), flush=True)
    figures.append({"section": section, "figure": name, "unit": unit, "x_name": x_name, "better": better,
                    "points": [{"x": x, "median": statistics.median(samples), "least": min(samples), "most": max(samples)} for x, samples in points.items()]})
