"""Called by scripts/profile: one loop under perf or callgrind, and its time by what it is spent on."""
import argparse, collections, os, re, subprocess, sys, time

import measure
from measure import Agent, Offsets, brokers, database, program, say
from pipeline import Simulator, empty, fill, fresh_group, fresh_topics

FREQUENCY = 499
# What a function belongs to: the innermost frame that says it counts. (name, pattern over function names)
WHAT = [
    ("identity and dedupe", r"penstock::(identity_of|Window::|.*hash<)|XXH3|\bidentity<"),
    ("encode JSON", r"append_json|append_key"),
    ("encode COPY rows", r"append_copy_row"),
    ("decode JSON", r"::decode\b|decode_|penstock::.*read_trade|each_field|simdjson|read_decimal"),
    ("parse records", r"parse_record|RecordReader"),
    ("sequence and validate", r"penstock::(Sequence|Ids|Books|Reconnect|validate)|Pipeline::"),
    ("headers and times", r"raw_record|parse_time"),
    ("react to frames", r"::react\b|Reaction"),
    ("kept until acknowledged, spool", r"Spool|spool|PublishQueue"),
    ("keep deliveries", r"KeptDeliveries|StoreBatch::(clear|add)"),
    ("produce", r"rd_kafka_produce|rd_kafka_headers_add|rd_kafka_header_add|Outbox::"),
    ("consume", r"rd_kafka_consume|kafka::.*Consumer|delivery_of|rd_kafka_message_headers|rd_kafka_message_destroy|rd_kafka_op_destroy"),
    ("websocket", r"websocket|curl_|Curl_|ws_"),
    ("send COPY", r"PQputCopyData|PQputCopyEnd|pqPut|pqFlush|Connection::copy"),
    ("PostgreSQL: parse rows", r"NextCopyFrom|CopyReadLine|CopyReadAttributes|InputFunctionCall|numeric_in|timestamptz_in|pg_verify_mbstr|pg_utf8"),
    ("PostgreSQL: index", r"ExecInsertIndexTuples|btinsert|_bt_"),
    ("PostgreSQL: table", r"heap_multi_insert|table_multi_insert|heap_prepare|heap_insert|CopyMultiInsert|heap_fill|heap_form"),
    ("PostgreSQL: log and commit", r"XLogInsert|XLogFlush|XLogWrite|RecordTransactionCommit|CommitTransaction|XLogBackgroundFlush"),
    ("PostgreSQL: on conflict, staging", r"ExecModifyTable|ExecOnConflictUpdate|ExecInsert\b|ExecSort|tuplesort"),
    ("PostgreSQL: hypertable", r"timescaledb|^ts_"),
    ("PostgreSQL: ledger, offsets", r"jsonb_in|exec_bind_message|PortalRunMulti|pg_parse_query|pg_plan_query"),
    ("PostgreSQL: read from the store", r"CopyGetData|secure_read|pq_getbyte|pq_getmessage|recv"),
    ("compress", r"LZ4|lz4"),
]
THREADS = [("rdk:broker", "librdkafka: broker threads"), ("rdk:main", "librdkafka: main thread"), ("postgres", "PostgreSQL: else"), ("jemalloc", "allocator's thread")]


def parse():
    parser = argparse.ArgumentParser(prog="scripts/profile", usage="scripts/profile publish|transform|store|decode [FLAG...]; --help says more")
    parser.add_argument("loop")
    parser.add_argument("--records", type=int)
    parser.add_argument("--with", dest="tool", choices=["perf", "callgrind"])
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--keep")
    parser.add_argument("--only-check", action="store_true")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--work", default="")
    options = parser.parse_args()
    if options.loop not in LOOPS:
        sys.exit(f"there is no loop {options.loop}; there are: {' '.join(LOOPS)}")
    options.tool = options.tool or ("perf" if perf_works() else "callgrind")
    options.records = options.records or (1_000_000 if options.tool == "perf" else 100_000)
    options.rounds, options.penstock = 1, os.path.abspath(f"{options.build}/penstock")
    options.keep = os.path.abspath(options.keep) if options.keep else options.work
    return options


def perf_works():
    return subprocess.run(["perf", "record", "-q", "-a", "-e", "cpu-clock", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


class Profiler:
    """Over one agent that runs. perf looks at the whole machine, since what threads an agent makes later it would not see; what
    is not of the agent or the database is left out afterwards."""

    def __init__(self, options):
        self.options = options
        self.file = f"{options.keep}/{options.loop}.{'perf.data' if options.tool == 'perf' else 'callgrind'}"
        self.watching = self.pid = None

    def wrapper(self):
        if self.options.tool == "perf":
            return []
        return ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={self.file}"]

    def watch(self, pid):
        self.pid = pid
        if self.options.tool == "perf":
            self.watching = measure.watch(subprocess.Popen(
                ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", str(FREQUENCY), "--call-graph", "dwarf,8192", "-o", self.file], stderr=subprocess.DEVNULL))

    def end(self):
        if self.watching:
            self.watching.terminate()
            self.watching.wait()


def drain(profiler, arguments, group, topic, records):
    Agent.wrapper = profiler.wrapper()
    with Agent(arguments) as agent:
        profiler.watch(agent.process.pid)
        program("wait", brokers(), group, topic, records)
        profiler.end()
    Agent.wrapper = []


def loop_transform(options, profiler):
    fill(options.records, transformed=False)
    group = fresh_group("profile")
    drain(profiler, ["transform", "--providers", "binance", "--group", group, "--kafka-brokers", brokers()], group, "raw.binance", options.records)


def loop_store(options, profiler):
    fill(options.records)
    empty("trades")
    group = fresh_group("profile")
    drain(profiler, ["store", "--kinds", "trades", "--group", group, "--kafka-brokers", brokers(), "--database-url", database()], group, "md.trades",
          options.records - 1)


def loop_publish(options, profiler):
    fresh_topics()
    Agent.wrapper = profiler.wrapper()
    with Offsets() as offsets, Simulator("max", str(options.records), channels="trade") as simulator, Agent(simulator.publish) as agent:
        profiler.watch(agent.process.pid)
        last, since = 0, time.monotonic()
        while last < options.records and time.monotonic() - since < 10:
            time.sleep(0.2)
            if (end := offsets.end("raw.binance")) != last:
                last, since = end, time.monotonic()
        profiler.end()
    Agent.wrapper = []
    options.records = last


def loop_decode(options, profiler):
    seconds = 10 if options.tool == "perf" else 0.5
    process = subprocess.Popen([*profiler.wrapper(), f"{options.build}/test/bench_decode", "binance", "trade", str(seconds)], stdout=subprocess.PIPE, text=True)
    profiler.watch(process.pid)
    rate = float(process.communicate()[0])
    profiler.end()
    options.records = rate * seconds if options.tool == "perf" else None


LOOPS = {name.removeprefix("loop_"): run for name, run in list(globals().items()) if name.startswith("loop_")}


# ---- What was found.

def function_of(frame):
    """`name (file)`: the name; the file where it has no names."""
    name, file = re.match(r"(.*) \((.*)\)$", frame).groups()
    return f"[{os.path.basename(file)}]" if name == "[unknown]" else name.replace("(anonymous namespace)::", "")


def short(name):
    """Without what it takes."""
    return re.sub(r"\(.*", "", re.sub(r"^(void|bool|char\*|auto) ", "", name))


def stacks(path, pid, with_database):
    """Of perf: (thread's name, [function, innermost first]) for each sample of this process, and of the database's where asked."""
    script = subprocess.Popen(["perf", "script", "-i", path, "-F", "comm,pid,ip,sym,dso", "--no-inline"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    comm, frames, ours = "", [], False
    for line in script.stdout:
        if not line.strip():
            if frames and ours:
                yield comm, frames
            frames = []
        elif line[0] == "\t":
            frames.append(function_of(line.strip().split(" ", 1)[1]))
        else:
            comm, of = line.strip().rsplit(None, 1)
            ours = int(of) == pid or (with_database and comm == "postgres")
    if frames and ours:
        yield comm, frames


def what_of(comm, frames):
    for frame in frames:
        for name, pattern in WHAT:
            if re.search(pattern, frame) and (comm == "postgres") == name.startswith("PostgreSQL"):
                return name
    for prefix, name in THREADS:
        if comm.startswith(prefix):
            return name
    if any("rd_kafka" in frame for frame in frames):
        return "librdkafka: else"
    return "loop and else"


def show_perf(options, profiler):
    parts, functions, total = collections.Counter(), collections.Counter(), 0
    for comm, frames in stacks(profiler.file, profiler.pid, options.loop == "store"):
        parts[what_of(comm, frames)] += 1
        functions[("postgres: " if comm == "postgres" else "") + short(frames[0])] += 1
        total += 1
    if total == 0:
        sys.exit("perf has no samples")
    microseconds = 1e6 / FREQUENCY / options.records if options.records else None
    print(f"# {total} samples, {total / FREQUENCY:.1f} CPU-s" + (f", {total * microseconds:.2f} us of CPU for a record" if microseconds else ""))
    for title, counts, most in (("where the time goes", parts, 40), ("top functions", functions, options.top)):
        print(f"\n{title:<60} {'share':>6} {'us/record':>10}")
        for name, count in counts.most_common(most):
            print(f"{name[:60]:<60} {count / total:>6.1%} " + (f"{count * microseconds:>10.3f}" if microseconds else ""))


def show_callgrind(options, profiler):
    annotated = subprocess.run(["callgrind_annotate", "--auto=no", "--tree=none", "--threshold=99", profiler.file], capture_output=True, text=True).stdout
    total, parts, functions = 0, collections.Counter(), collections.Counter()
    for line in annotated.splitlines():
        if found := re.match(r"\s*([\d,]+) \(\s*[\d.]+%\)\s+(PROGRAM TOTALS|\S+?:(.*?)(?: \[[^]]*\])?)$", line):
            count, name = int(found[1].replace(",", "")), (found[3] or "").replace("(anonymous namespace)::", "")
            if found[2] == "PROGRAM TOTALS":
                total = count
                continue
            parts[what_of("", [name])] += count
            functions[short(name)] += count
    if total == 0:
        sys.exit("callgrind has counted nothing")
    print(f"# {total:,} instructions" + (f", {total / options.records:,.0f} for a record" if options.records else "") + " (library functions count by themselves)")
    for title, counts, most in (("where the instructions go", parts, 40), ("top functions", functions, options.top)):
        print(f"\n{title:<60} {'share':>6}")
        for name, count in counts.most_common(most):
            print(f"{name[:60]:<60} {count / total:>6.1%}")


def main():
    options = parse()
    if options.only_check:
        return
    measure.options = options
    profiler = Profiler(options)
    os.makedirs(options.keep, exist_ok=True)
    say(f"{options.loop} under {options.tool}")
    LOOPS[options.loop](options, profiler)
    (show_perf if options.tool == "perf" else show_callgrind)(options, profiler)


measure.run(main)
