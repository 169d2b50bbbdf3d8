"""Sections: each part of penstock by itself, beside the limit of what it is made of."""
import glob, os, sys, time

from measure import Agent, Offsets, Run, brokers, database, pairs, program, psql, report_pairs, timed, value, warm_up
from pipeline import Simulator, asked, copy, empty, fill, fresh_topics, psql_run, rows_file, store, transform

BATCH = 50_000  # store.batch_count_max


def decode():
    """Frames of each provider's busiest channel, and CoinGecko's shortest ones, to canonical JSON, one thread: bare simdjson over the same fields"""
    for provider, channel, aim in (("binance", "trade", 0.7), ("hyperliquid", "trades", 0.7), ("coingecko", "coins/markets", 0.7),
                                   ("coingecko", "simple/price", None)):
        lines = [[float(word) for word in program("decode", provider, channel).split()] for _ in range(asked().rounds)]
        report_pairs(f"decode and encode, {provider} {channel}", "records/s", "bare simdjson", [Run(line[0], 1e6 / line[0]) for line in lines],
                     [Run(line[2], 1e6 / line[2]) for line in lines], aim=aim)
        report_pairs(f"decode alone, {provider} {channel}", "records/s", "bare simdjson", [Run(line[1], 1e6 / line[1]) for line in lines],
                     [Run(line[2], 1e6 / line[2]) for line in lines])


def publish():
    """From the simulator's websocket to raw.binance, as fast as it goes: a bare idempotent produce of the same records"""
    records = min(asked().records, 1_000_000)

    def ours():
        fresh_topics()
        with Offsets() as offsets, Simulator("max", str(records), channels="trade") as simulator, Agent(simulator.publish) as agent:
            began = ended = first = last = 0
            while time.monotonic() - (ended or time.monotonic()) < 2:
                time.sleep(0.02)
                agent.check()
                if (end := offsets.end("raw.binance")) > last:
                    ended, last = time.monotonic(), end
                    began, first = began or ended, first or end
            return Run((last - first) / (ended - began), agent.cpu_seconds() * 1e6 / last, agent.memory_mb())

    def limit():
        with Offsets() as offsets:
            count = offsets.end("raw.binance")
        rate, cpu = (float(word) for word in program("produce", brokers(), "raw.binance", "bench.produce", count).split())
        program("forget", brokers(), "bench.produce")
        return Run(rate, cpu * 1e6 / count)

    warm_up(ours)
    ours_runs, limit_runs = [], []
    for _ in range(asked().rounds):  # What is produced bare is what came in.
        ours_runs.append(ours())
        limit_runs.append(limit())
    report_pairs("publish", "records/s", "bare idempotent produce of the same records", ours_runs, limit_runs, aim=0.5)
    report_pairs("publish, CPU of a record", "CPU-s/M", "bare idempotent produce", [Run(run.cpu) for run in ours_runs],
                 [Run(run.cpu) for run in limit_runs], better="less")


def _over_raw(name, *arguments, **environment):
    """One of test/bench/*.cpp over raw.binance, whose last word is its rate."""
    output, _, cpu, peak_mb = timed([f"{asked().build}/test/bench_{name}", brokers(), "raw.binance", *arguments], env=os.environ | environment)
    return Run(float(output.split()[-1]), cpu * 1e6 / asked().records, peak_mb)


def consume():
    """One reader of raw.binance, with the records' headers: a bare consume that looks at none"""
    fill(transformed=False)
    pairs("consume, headers included", "records/s", "bare consume", lambda: _over_raw("consume", asked().records, "penstock"),
          lambda: _over_raw("consume", asked().records, "bare"))


def _pass(with_headers=0, commit_ms=0, **environment):
    """A bare consume -> produce."""
    run = _over_raw("pass", "bench.pass", asked().records, with_headers, commit_ms, **environment)
    program("forget", brokers(), "bench.pass")
    return run


def transform_section():
    """raw.binance to md.trades with transactions: a bare consume -> produce without"""
    fill(transformed=False)
    pairs("transform with transactions, Binance trades", "frames/s", "bare consume -> produce", lambda: transform(asked().records), _pass, aim=0.6)


def transactions():
    """What headers and transactions cost: bare loops with them, and the transformer without transactions"""
    fill(transformed=False)
    # With headers glibc's allocator takes such a loop half its speed.
    pairs("transform, records of two headers", "frames/s", "bare consume -> produce, two headers, too, jemalloc", lambda: transform(asked().records),
          lambda: _pass(with_headers=1, LD_PRELOAD="libjemalloc.so.2"))
    pairs("bare consume -> produce, transactions of 100 ms", "frames/s", "bare consume -> produce", lambda: _pass(commit_ms=100), _pass)
    pairs("transform with transactions", "frames/s", "itself without", lambda: transform(asked().records),
          lambda: transform(asked().records, "--kafka-transactions", "false"))


def _store_against_copy(name, limit_name, aim, processes=1):
    fill()
    trades = asked().records - 1
    path = rows_file("trades", trades)

    def ours():
        empty("trades")
        run = store(trades, processes=processes)
        if (written := int(psql("select count(*) from trades"))) != trades:
            sys.exit(f"{written} rows are in the table, {trades} in the topic")
        return run

    def limit():
        empty("trades")
        return copy("trades", path, trades)

    pairs(name, "rows/s", limit_name, ours, limit, aim)
    empty("trades")


def store_section():
    """md.trades to its table: psql \\copy of the same rows into the same table"""
    _store_against_copy("store, trades", "psql \\copy", 0.95)


def stores():
    """Two stores of one group side by side: one psql \\copy"""
    _store_against_copy("two stores side by side, trades", "one psql \\copy", 1.15, processes=2)


def upsert():
    """md.candles, where the later one wins: psql, COPY to a staging table and INSERT ... ON CONFLICT, in the same batches"""
    fill(channel="kline")
    candles = asked().records - 1
    path = rows_file("candles", candles)
    columns = psql("select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns where table_name = 'candles'").split(",")
    keys = ["source", "symbol", "interval", "time"]
    new = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in keys)
    # psql as its user would write it: the last one of a key in a batch, and never an older one over a newer.
    insert = (f"insert into candles select distinct on ({', '.join(keys)}) * from staging order by {', '.join(keys)}, received_at desc "
              f"on conflict ({', '.join(keys)}) do update set {new} where candles.received_at <= excluded.received_at;")
    lines = open(path).readlines()
    script = ["set client_min_messages = warning; create temp table staging (like candles);"]
    for at in range(0, len(lines), BATCH):
        part = f"{path}.{at}"
        with open(part, "w") as file:
            file.writelines(lines[at:at + BATCH])
        script += ["begin; truncate staging;", f"\\copy staging from '{part}'", insert, "commit;"]
    with open(f"{path}.sql", "w") as file:
        file.write("\n".join(script) + "\n")

    counts = set()

    def checked(run):
        counts.add(psql("select count(*), sum(close), sum(volume) from candles"))
        if len(counts) != 1:
            sys.exit(f"the table is not the same on both ways: {counts}")
        return run

    def ours():
        empty("candles")
        return checked(store(candles, kind="candles"))

    def limit():
        empty("candles")
        return checked(psql_run(candles, "-f", f"{path}.sql"))

    pairs("store, candles (upsert)", "rows/s", "psql, staging and on conflict", ours, limit, aim=0.95)
    empty("candles")


def _sink(rows, batch, bad_every):
    ours, limit = (float(rate) for rate in program("sink", database(), rows, batch, bad_every).split())
    return Run(ours), Run(limit)


def ledger():
    """What exactly-once costs the store: its own COPY and commits without offsets and ledger"""
    fresh_topics()
    runs = [_sink(asked().records, 10_000, 0) for _ in range(asked().rounds)]
    report_pairs("sink with ledger and fencing", "rows/s", "its COPY alone", *zip(*runs), aim=0.9)


def bad():
    """What bad rows cost the store: the same rows without them"""
    fresh_topics()
    for every, aim in ((1_000, 0.75), (100_000, 0.97)):
        runs = [_sink(asked().records, 10_000, every) for _ in range(asked().rounds)]
        report_pairs(f"sink, one bad row per {every:,}", "rows/s", "without", *zip(*runs), aim=aim)


def dedupe():
    """A full dedupe window of 10^7 ids: time of a record and memory"""
    lines = [[float(word) for word in program("dedupe", 10_000_000).split()] for _ in range(min(asked().rounds, 3))]
    value("dedupe window of 10,000,000 ids, one record", "ns", [line[0] for line in lines])
    value("dedupe window of 10,000,000 ids, memory", "MB", [line[1] for line in lines[:1]], aim=400)


def _log_bytes(topic):
    """On the broker's disk, where what was deleted stays for a while under another name."""
    folders = [f"{asked().work}/kafka/data/{topic}-{partition}" for partition in range(4)]
    return sum(os.path.getsize(path) for folder in folders for path in glob.glob(f"{folder}/*.log"))


def sizes():
    """Bytes of a trade: in the topics, compressed as they are, in the table, its index, and PostgreSQL's write-ahead log"""
    fill()
    trades = asked().records - 1
    empty("trades")
    before = psql("select pg_current_wal_lsn()")
    store(trades)
    log = int(float(psql(f"select pg_wal_lsn_diff(pg_current_wal_lsn(), '{before}')")))
    table, index = map(int, psql("select sum(table_bytes), sum(index_bytes) from hypertable_detailed_size('trades')").split("|"))
    for where, size in (("raw.binance", _log_bytes("raw.binance")), ("md.trades", _log_bytes("md.trades")), ("table", table), ("index", index),
                        ("write-ahead log", log)):
        value(f"a trade in {where}", "bytes", [size / trades])
    empty("trades")


SECTIONS = {"decode": decode, "publish": publish, "consume": consume, "transform": transform_section, "transactions": transactions, "store": store_section,
            "stores": stores, "upsert": upsert, "ledger": ledger, "bad": bad, "dedupe": dedupe,
            "sizes": sizes}
