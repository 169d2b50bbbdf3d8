"""Called by scripts/bench, which brings DATABASE_URL and KAFKA_BROKERS. Each figure is ours / limit in the same run."""
import argparse, atexit, glob, json, os, re, signal, statistics, subprocess, sys, time

BROKERS, DATABASE = os.environ["KAFKA_BROKERS"], os.environ["DATABASE_URL"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def psql(statement):
    return subprocess.run(["psql", DATABASE, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement], check=True, capture_output=True, text=True).stdout.strip()


class Agent:
    """A penstock process, and the most memory it was seen with."""

    def __init__(self, arguments):
        self.log = open(f"{options.work}/{arguments[0]}.log", "a")
        self.process = subprocess.Popen([PENSTOCK, *arguments], stdout=self.log, stderr=self.log)
        atexit.register(self.process.kill)  # Where a section gives up half way.

    def __enter__(self):
        return self

    def memory_mb(self, which="VmHWM"):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{which}:\s+(\d+)", status.read())[1]) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        if self.process.poll() is not None:
            sys.exit(f"an agent ended by itself ({self.process.args[1]}, exit {self.process.returncode}); its log:\n" + open(self.log.name).read()[-2000:])
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit(f"{self.process.args[1]} did not stop within 10 s")


def program(name, *arguments):
    return subprocess.run([f"{options.build}/test/bench_{name}", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def committed_rate(group, topic, count):
    return float(program("wait", BROKERS, group, topic, count))


figures = []


def report(name, pairs, **more):
    ratios = [ours / limit for ours, limit in pairs]
    figure = {"figure": name, "ours": statistics.median(o for o, _ in pairs), "limit": statistics.median(l for _, l in pairs),
              "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios), "pairs": len(pairs), **more}
    figures.append(figure)
    extra = "  ".join(f"{key} {value:.1f}" for key, value in more.items())
    print(f"{name:<58} {figure['ours']:>10.0f} {figure['limit']:>10.0f} {figure['ratio']:>6.2f}  {min(ratios):.2f}-{max(ratios):.2f}  {extra}", flush=True)


def report_value(name, **values):
    figures.append({"figure": name, **values})
    print(f"{name:<58} " + "  ".join(f"{key} {value:.1f}" for key, value in values.items()), flush=True)


def fresh_group(name):
    fresh_group.count = getattr(fresh_group, "count", 0) + 1
    return f"bench-{name}-{fresh_group.count}"


def transform_once(*more):
    group = fresh_group("transform")
    with Agent(["transform", "--providers", "binance", "--group", group, "--kafka-brokers", BROKERS, *more]) as agent:
        rate = committed_rate(group, "raw.binance", options.records)
        return rate, agent.memory_mb(), agent.cpu_seconds() * 1e6 / options.records


def fill():
    """raw.binance and md.trades, once."""
    if getattr(fill, "done", False):
        return
    with open(f"{options.work}/penstock.toml", "w") as file:
        file.write(f'[kafka]\nbrokers = "{BROKERS}"\n[publish.binance]\nsymbols = ["BTC/USDT"]\n')
    subprocess.run([PENSTOCK, "topics", "apply", "--config", file.name], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PENSTOCK, "db", "apply", "--database-url", DATABASE], check=True, stdout=subprocess.DEVNULL)
    say(f"{options.records} Binance trade frames to raw.binance, and once through the transformer")
    program("fill", BROKERS, "raw.binance", options.records, 50)
    transform_once()
    fill.done = True


def section_decode():
    for line in program("decode").splitlines():
        print(line)
    figures.append({"figure": "decode", "text": program("decode")})


def section_store():
    fill()
    trades = options.records - 1  # The first frame is the catalogue.

    def empty():
        psql("truncate trades")
        psql("delete from penstock.offsets")
        psql("checkpoint")

    def store():
        group = fresh_group("store")
        with Agent(["store", "--kinds", "trades", "--group", group, "--kafka-brokers", BROKERS, "--database-url", DATABASE]) as agent:
            rate = committed_rate(group, "md.trades", trades)
            return rate, agent.memory_mb(), agent.cpu_seconds() * 1e6 / trades

    def copy():
        began = time.monotonic()
        psql_copy = f"\\copy trades from '{options.work}/trades.copy'"
        subprocess.run(["psql", DATABASE, "-Xq", "-c", psql_copy], check=True)
        return trades / (time.monotonic() - began)

    empty()
    store()
    if int(psql("select count(*) from trades")) != trades:
        sys.exit("the store wrote another number of rows than the topic holds")
    subprocess.run(["psql", DATABASE, "-Xq", "-c", f"\\copy (select * from trades) to '{options.work}/trades.copy'"], check=True)
    pairs, memory, cpu = [], [], []
    for _ in range(options.rounds):
        empty()
        ours, mb, seconds = store()
        empty()
        pairs.append((ours, copy()))
        memory.append(mb)
        cpu.append(seconds)
    report("store, trades, rows/s : psql \\copy", pairs, peak_mb=max(memory), cpu_s_per_million=statistics.median(cpu))
    empty()


def section_transform():
    fill()
    pairs, memory, cpu = [], [], []
    for _ in range(options.rounds):
        ours, mb, seconds = transform_once()
        limit = float(program("pass", BROKERS, "raw.binance", "bench.pass", options.records).split()[2])
        pairs.append((ours, limit))
        memory.append(mb)
        cpu.append(seconds)
    report("transform with transactions, frames/s : bare consume-produce", pairs, peak_mb=max(memory), cpu_s_per_million=statistics.median(cpu))


def section_transactions():
    """What exactly-once costs the transformer: the same one without transactions."""
    fill()
    pairs = []
    for _ in range(options.rounds):
        ours, _, _ = transform_once()
        limit, _, _ = transform_once("--kafka-transactions", "false")
        pairs.append((ours, limit))
    report("transform, frames/s : itself without transactions", pairs)


def sink(rows, batch, bad_every):
    return tuple(float(rate) for rate in program("sink", DATABASE, rows, batch, bad_every).split())


def section_ledger():
    """What exactly-once costs the store: its own COPY and commits without offsets and ledger."""
    fill()
    report("sink with ledger and fencing, rows/s : its COPY alone", [sink(options.records, 10_000, 0) for _ in range(options.rounds)])


def section_bad():
    """What bad rows cost the store."""
    fill()
    for every in (1_000, 100_000):
        report(f"sink, one bad row per {every:,}, rows/s : without", [sink(options.records, 10_000, every) for _ in range(options.rounds)])


def section_dedupe():
    fill()
    rate, _, _ = transform_once()
    for ids in (100_000, 1_000_000, 10_000_000):
        nanoseconds, mb = (float(value) for value in program("dedupe", ids).split())
        report_value(f"dedupe window of {ids:,} ids", ns_per_record=nanoseconds, memory_mb=mb, percent_of_transform=nanoseconds * rate / 1e7)


class Simulator:
    """Binance's made-up market at a rate."""

    def __init__(self, rate, length):
        self.process = subprocess.Popen([PENSTOCK, "simulate", "binance", "--port", "0", "--rate", str(rate), "--symbols", "BTC,ETH", "--length", f"{length}s"],
                                        stdout=subprocess.PIPE, stderr=open(f"{options.work}/simulate.log", "a"), text=True)
        urls = {}
        for line in self.process.stdout:
            if found := re.search(r"(http|websocket)_url\s*=\s*\"?([^\s\"]+)", line):
                urls[found[1]] = found[2]
            if len(urls) == 2:
                break
        self.publish = ["publish", "binance", "--symbols", "BTC/USDT,ETH/USDT", "--channels", "trade,bookTicker", "--http-url", urls["http"],
                        "--websocket-url", urls["websocket"], "--kafka-brokers", BROKERS]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def script(line):
    subprocess.run(["bash", "-c", f". scripts/lib/database.sh; . scripts/lib/kafka.sh; {line}"], check=True, stdout=subprocess.DEVNULL)


def seconds_until_visible(limit=60):
    """Until a trade is in the table that was received after this call."""
    since, began = psql_time(), time.monotonic()
    while psql(f"select exists (select from trades where received_at > {since})") != "t":
        if time.monotonic() - began > limit:
            for log in glob.glob(f"{options.work}/*.log"):
                say(f"--- {os.path.basename(log)}\n" + "".join(open(log).readlines()[-10:]))
            sys.exit(f"nothing came through within {limit} s")
        time.sleep(0.02)
    return time.monotonic() - began


def psql_time():
    """Of this machine's clock, which is the publisher's; the database may be about to start."""
    return f"to_timestamp({time.time()})"


def section_recovery():
    """How long nothing comes through after an agent was killed and started again, and after broker and database are back."""
    fill()
    stores = ["store", "--kinds", "trades,tickers", "--database-url", DATABASE, "--group", fresh_group("recovery-store"), "--kafka-brokers", BROKERS]
    transforms = ["transform", "--providers", "binance", "--group", "bench-transform-1", "--kafka-brokers", BROKERS]
    with Simulator(2000, 600) as simulator:
        running = {name: Agent(arguments) for name, arguments in (("store", stores), ("transform", transforms), ("publish", simulator.publish))}
        seconds_until_visible(120)
        psql("truncate trades, tickers")
        for name in running:
            took = []
            for _ in range(options.rounds):
                seconds_until_visible()
                running[name].process.kill()
                running[name].process.wait()
                running[name] = Agent(running[name].process.args[1:])
                say(f"{name} killed and started")
                took.append(seconds_until_visible())
            report_value(f"{name}: kill -9, start -> rows flow, s", median=statistics.median(took), most=max(took))
        for name in ("kafka", "database"):
            took = []
            for _ in range(options.rounds):
                seconds_until_visible()
                script(f"{name}_stop {options.work}/{name}")
                time.sleep(5)
                script(f"{name}_start {options.work}/{name}")
                took.append(seconds_until_visible())
            report_value(f"{name}: away for 5 s, back -> rows flow, s", median=statistics.median(took), most=max(took))
        for agent in reversed(running.values()):
            agent.__exit__()


def section_outage():
    """Resident memory of each agent while the database is away, at 5,000 records a second; and that all of it comes in afterwards."""
    fill()
    seconds = options.minutes * 60
    stores = ["store", "--kinds", "trades,tickers", "--database-url", DATABASE, "--group", fresh_group("outage-store"), "--kafka-brokers", BROKERS]
    transforms = ["transform", "--providers", "binance", "--group", "bench-transform-1", "--kafka-brokers", BROKERS]
    with Simulator(5000, seconds + 120) as simulator, Agent(stores) as store, Agent(transforms) as transform, Agent(simulator.publish) as publish:
        seconds_until_visible(120)
        script(f"database_stop {options.work}/database")
        samples = []
        settled = min(60, seconds / 4)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(1)
            if time.monotonic() - began > settled:
                samples.append([agent.memory_mb("VmRSS") for agent in (publish, transform, store)])
        script(f"database_start {options.work}/database")
        back = seconds_until_visible()
        for name, values in zip(("publish", "transform", "store"), zip(*samples)):
            report_value(f"{name}: memory, database away for {options.minutes:g} min, MB", first=values[0], least=min(values), most=max(values))
        report_value("database back -> rows flow, s", seconds=back)


def section_latency():
    """5,000 records a second from the simulator through publisher, transformer and store."""
    fill()
    psql("truncate trades, tickers")
    seconds = 30
    with Simulator(5000, seconds + 60) as simulator:
        common = ["--kafka-brokers", BROKERS]
        stores = ["store", "--kinds", "trades,tickers", "--database-url", DATABASE, "--group", fresh_group("latency-store"), *common]
        transforms = ["transform", "--providers", "binance", "--group", "bench-transform-1", *common]
        # What earlier sections left in the topics is read first; then both start anew, so that memory is that of this rate.
        with Agent(stores), Agent(transforms):
            last = -1
            while (now := int(psql("select coalesce(sum(next_offset), 0) from penstock.offsets where consumer_group like 'bench-latency%'"))) != last:
                last = now
                time.sleep(5)
        psql("truncate trades, tickers")
        with Agent(stores) as store, Agent(transforms) as transform:
            time.sleep(3)
            began = psql("select now()")
            with Agent(simulator.publish) as publish:
                time.sleep(seconds)
                memory = {"publish_mb": publish.memory_mb(), "transform_mb": transform.memory_mb(), "store_mb": store.memory_mb()}
        where = f"received_at between '{began}'::timestamptz + interval '5 s' and '{began}'::timestamptz + interval '{seconds - 2} s'"
        rows, p50, p99, most = psql(f"""
            select count(*), percentile_cont(0.5) within group (order by ms), percentile_cont(0.99) within group (order by ms), max(ms)
            from (select extract(epoch from pg_xact_commit_timestamp(xmin) - received_at) * 1000 as ms from trades where {where}
                  union all select extract(epoch from pg_xact_commit_timestamp(xmin) - received_at) * 1000 from tickers where {where}) one""").split("|")
        report_value("received -> visible in the table, ms", records_per_s=int(rows) / (seconds - 7), p50=float(p50), p99=float(p99), max=float(most))
        report_value("resident memory at that rate, peak, MB", **memory)


sections = {name.removeprefix("section_"): run for name, run in list(globals().items()) if name.startswith("section_")}
parser = argparse.ArgumentParser()
parser.add_argument("sections", nargs="*", metavar="SECTION")
parser.add_argument("--build", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--records", type=int, default=2_000_000)
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--json")
options = parser.parse_args()
if unknown := set(options.sections) - set(sections):
    sys.exit(f"no section {', '.join(sorted(unknown))}; there are {' '.join(sections)}")
PENSTOCK = os.path.abspath(f"{options.build}/penstock")

model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
machine = {"cpu": model[1] if model else "?", "cores": os.cpu_count(), "postgres": psql("show server_version"),
           "timescaledb": psql("select default_version from pg_available_extensions where name = 'timescaledb'"),
           "commit": subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()}
print("# " + ", ".join(f"{key} {value}" for key, value in machine.items()))
print(f"{'figure':<58} {'ours':>10} {'limit':>10} {'ratio':>6}  spread")
for name in options.sections or sections:
    say(f"section {name}")
    sections[name]()
if options.json:
    with open(options.json, "w") as file:
        json.dump({"machine": machine, "figures": figures}, file, indent=1)
