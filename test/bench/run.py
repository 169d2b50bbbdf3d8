"""Called by scripts/bench, which brings DATABASE_URL and KAFKA_BROKERS. Each figure is ours / limit in the same run."""
import argparse, json, os, re, signal, statistics, subprocess, sys, time

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

    def __enter__(self):
        return self

    def memory_mb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024

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


def transform_once():
    group = fresh_group("transform")
    with Agent(["transform", "--providers", "binance", "--group", group, "--kafka-brokers", BROKERS]) as agent:
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


def section_latency():
    """5,000 records a second from the simulator through publisher, transformer and store."""
    fill()
    psql("truncate trades, tickers")
    seconds = 30
    simulator = subprocess.Popen([PENSTOCK, "simulate", "binance", "--port", "0", "--rate", "5000", "--symbols", "BTC,ETH", "--length", f"{seconds + 60}s"],
                                 stdout=subprocess.PIPE, stderr=open(f"{options.work}/simulate.log", "a"), text=True)
    try:
        urls = {}
        for line in simulator.stdout:
            if found := re.search(r"(http|websocket)_url\s*=\s*\"?([^\s\"]+)", line):
                urls[found[1]] = found[2]
            if len(urls) == 2:
                break
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
            with Agent(["publish", "binance", "--symbols", "BTC/USDT,ETH/USDT", "--channels", "trade,bookTicker", "--http-url", urls["http"],
                        "--websocket-url", urls["websocket"], *common]) as publish:
                time.sleep(seconds)
                memory = {"publish_mb": publish.memory_mb(), "transform_mb": transform.memory_mb(), "store_mb": store.memory_mb()}
        where = f"received_at between '{began}'::timestamptz + interval '5 s' and '{began}'::timestamptz + interval '{seconds - 2} s'"
        rows, p50, p99, most = psql(f"""
            select count(*), percentile_cont(0.5) within group (order by ms), percentile_cont(0.99) within group (order by ms), max(ms)
            from (select extract(epoch from pg_xact_commit_timestamp(xmin) - received_at) * 1000 as ms from trades where {where}
                  union all select extract(epoch from pg_xact_commit_timestamp(xmin) - received_at) * 1000 from tickers where {where}) one""").split("|")
        report_value("received -> visible in the table, ms", records_per_s=int(rows) / (seconds - 7), p50=float(p50), p99=float(p99), max=float(most))
        report_value("resident memory at that rate, peak, MB", **memory)
    finally:
        simulator.terminate()
        simulator.wait()


sections = {name.removeprefix("section_"): run for name, run in list(globals().items()) if name.startswith("section_")}
parser = argparse.ArgumentParser()
parser.add_argument("sections", nargs="*", metavar="SECTION")
parser.add_argument("--build", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--records", type=int, default=2_000_000)
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
