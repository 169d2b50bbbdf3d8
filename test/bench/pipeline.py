"""Topics with known content, penstock's agents over them, and the simulator: what the sections measure."""
import glob, os, re, subprocess, sys, time

import measure
from measure import Agent, Run, brokers, cpu_of, database, program, psql, say, timed

KINDS = "trades candles tickers books options odds instruments venues stats gaps".split()
_groups = 0
_raw = None       # What raw.binance holds.
_transformed = 0  # How many times md.* holds what came of it.


def asked():
    return measure.options


def fresh_group(name):
    global _groups
    _groups += 1
    return f"bench-{name}-{_groups}"


def apply_schema(url=None):
    subprocess.run([asked().penstock, "db", "apply", "--database-url", url or database()], check=True, stdout=subprocess.DEVNULL)


def fresh_topics():
    """All of penstock's topics, empty; and the tables made."""
    global _raw, _transformed
    _raw, _transformed = None, 0
    program("forget", brokers(), "raw.binance", *(f"md.{kind}" for kind in KINDS))
    with open(f"{asked().work}/penstock.toml", "w") as file:
        file.write(f'[kafka]\nbrokers = "{brokers()}"\n[publish.binance]\nsymbols = ["BTC/USDT"]\n')
    subprocess.run([asked().penstock, "topics", "apply", "--yes", "--config", file.name], check=True, stdout=subprocess.DEVNULL)
    apply_schema()


def fill(records=None, symbols=50, channel="trade", transformed=True):
    """raw.binance: so many frames and nothing else, the first of them the catalogue. Unless not `transformed`, md.* too, once."""
    global _raw
    wanted = (records or asked().records, symbols, channel)
    if _raw != wanted or (transformed and _transformed > 1):
        fresh_topics()
        say(f"  {wanted[0]:,} Binance {channel} frames of {symbols:,} symbols to raw.binance")
        program("fill", brokers(), "raw.binance", *wanted)
        _raw = wanted
    if transformed and _transformed == 0:
        say("  once through the transformer")
        transform(wanted[0])


def transform(records, *more, processes=1):
    """How fast new transformers read raw.binance; md.* has it once more then."""
    global _transformed
    _transformed += 1
    group = fresh_group("transform")
    flags = ["transform", "--providers", "binance", "--group", group, "--kafka-brokers", brokers(), *more]
    return _drain([flags] * processes, records, "wait", brokers(), group, "raw.binance")


def store(rows, *more, processes=1, kind="trades", url=None):
    """How fast new stores write what md.<kind> holds."""
    group = fresh_group("store")
    flags = ["store", "--kinds", kind, "--group", group, "--kafka-brokers", brokers(), "--database-url", url or database(), *more]
    # What counts is what is in the table; the group's own offsets follow.
    return _drain([flags] * processes, rows, "stored", url or database(), group, f"md.{kind}")


def _drain(commands, records, *waiting):
    if len(commands) > 1:  # Partitions change hands within two heartbeats, which at the default take as long as the whole run.
        commands = [[*command, "--kafka-properties", "heartbeat.interval.ms=250"] for command in commands]
    agents = [Agent(command) for command in commands]
    # Several of a group need a moment until each has its share.
    rate = float(program(*waiting, records, *([records * 2 // 5] if len(agents) > 1 else [])))
    run = Run(rate, sum(agent.cpu_seconds() for agent in agents) * 1e6 / records, max(agent.memory_mb() for agent in agents))
    for agent in agents:
        agent.__exit__()
    return run


def empty(table, url=None):
    psql(f"truncate {table}", url)
    psql("delete from penstock.offsets", url)
    psql("checkpoint", url)


def clear():
    """Beside a store that writes: one table at a time, for both at once would be a deadlock with it."""
    for table in ("trades", "tickers"):
        psql(f"truncate {table}")


def rows_file(kind, rows):
    """The records of md.<kind> as COPY text, in their order in the topic."""
    path = f"{asked().work}/{kind}.copy"
    with open(path, "w") as file:
        subprocess.run([f"{asked().build}/test/bench_rows", brokers(), kind, str(rows)], check=True, stdout=file)
    return path


def psql_run(rows, *arguments):
    """A Run of psql: `rows` rows by these commands."""
    _, seconds, cpu, peak_mb = timed(["psql", database(), "-Xq", "-v", "ON_ERROR_STOP=1", *arguments])
    return Run(rows / seconds, cpu * 1e6 / rows, peak_mb)


def copy(table, path, rows):
    return psql_run(rows, "-c", f"\\copy {table} from '{path}'")


# ---- A market at a rate.

class Simulator:
    """Binance's made-up market: `rate` events a second or "max", for so many seconds or, as "2000000", events."""

    def __init__(self, rate, length, symbols="BTC,ETH", channels="trade,bookTicker"):
        self.process = measure.watch(subprocess.Popen([asked().penstock, "simulate", "binance", "--port", "0", "--rate", str(rate), "--symbols", symbols, "--length",
                                         length if isinstance(length, str) else f"{length:.0f}s"],
                                        stdout=subprocess.PIPE, stderr=open(f"{asked().work}/simulate.log", "a"), text=True))
        urls = {}
        for line in self.process.stdout:
            if found := re.search(r"(http|websocket)_url\s*=\s*\"?([^\s\"]+)", line):
                urls[found[1]] = found[2]
            if len(urls) == 2:
                break
        unified = ",".join(f"{symbol}/USDT" for symbol in symbols.split(","))
        self.publish = ["publish", "binance", "--symbols", unified, "--channels", channels, "--http-url", urls["http"],
                        "--websocket-url", urls["websocket"], "--kafka-brokers", brokers()]

    def cpu_seconds(self):
        return cpu_of(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def chain(simulator, name):
    """The commands of all three agents, of groups of their own: store, transform, publish; and the two groups."""
    stores, transforms = fresh_group(f"{name}-store"), fresh_group(f"{name}-transform")
    common = ["--kafka-brokers", brokers()]
    return {"store": ["store", "--kinds", "trades,tickers", "--database-url", database(), "--group", stores, *common],
            "transform": ["transform", "--providers", "binance", "--group", transforms, *common],
            "publish": simulator.publish}, stores, transforms


def script(line):
    subprocess.run(["bash", "-c", f". scripts/lib/database.sh; . scripts/lib/kafka.sh; {line}"], check=True, stdout=subprocess.DEVNULL)


def now():
    """Of this machine's clock, which is the publisher's; the database may be about to start."""
    return f"to_timestamp({time.time()})"


def seconds_until_visible(limit=60):
    """Until a trade is in the table that was received after this call."""
    since, began = now(), time.monotonic()
    while psql(f"select exists (select from trades where received_at > {since})") != "t":
        if time.monotonic() - began > limit:
            for log in glob.glob(f"{asked().work}/*.log"):
                say(f"--- {os.path.basename(log)}\n" + "".join(open(log).readlines()[-10:]))
            sys.exit(f"nothing came through within {limit} s")
        time.sleep(0.02)
    return time.monotonic() - began
