"""Sections: what a record costs as the work grows. Their series become the plots of docs/performance/."""
import statistics

from measure import Run, database, database_cpu, program, psql, report_pairs, say, series
from pipeline import apply_schema, asked, empty, fill, fresh_topics, store, transform

RECORDS_MAX = 1_000_000  # Of one point.


def _records():
    return min(asked().records, RECORDS_MAX)


def _steps(first, last):
    """Powers of ten."""
    steps = []
    while first <= last:
        steps.append(first)
        first *= 10
    return steps


def symbols():
    """Cost of a record with 1 to 10,000 symbols, transformer, store and database: itself with one symbol"""
    records = _records()
    counts = _steps(1, 10_000)
    cpu = {part: {count: [] for count in counts} for part in ("transform", "store", "database")}
    peaks = {count: [] for count in counts}
    for _ in range(asked().rounds):
        for count in counts:
            fresh_topics()
            fill(records, count, transformed=False)
            transformed = transform(records)
            cpu["transform"][count].append(transformed.cpu)
            peaks[count].append(transformed.peak_mb)
            empty("trades")
            before = database_cpu()
            cpu["store"][count].append(store(records - 1).cpu)
            cpu["database"][count].append((database_cpu() - before) * 1e6 / records)
            say(f"  {count:,} symbols: " + ", ".join(f"{part} {of[count][-1]:.2f}" for part, of in cpu.items()))
    empty("trades")
    for part, of in cpu.items():
        series(f"CPU of a record, {part}", "CPU-s/M", "symbols", of)
    series("peak memory, transform", "MB", "symbols", peaks)
    total = {count: [sum(parts) for parts in zip(*(of[count] for of in cpu.values()))] for count in counts}
    series("CPU of a record, all three", "CPU-s/M", "symbols", total)
    report_pairs("cost of a record with 10,000 symbols", "CPU-s/M", "with one", [Run(each) for each in total[10_000]], [Run(each) for each in total[1]],
                 aim=1.25, better="less")


_PREFILL = """insert into trades select 'binance', 'S' || i % 50 || '/USDT', day + i * span, day + i * span, 'p' || i, 'buy', 61000 + i % 997, 0.5
    from (select date_trunc('day', now()) as day, (now() - date_trunc('day', now())) / {rows} as span) as today, generate_series({first}, {last}) as i"""


def rows():
    """Store into a table that holds 10^5 to --rows-most rows in the same chunk and index: itself into an empty one"""
    fill(_records())
    count = _records() - 1
    other = database().rsplit("/", 1)[0] + "/bench_full"
    psql("drop database if exists bench_full")
    psql("create database bench_full")
    apply_schema(other)
    points = {}

    def into(url, clear):
        def once():
            psql("delete from penstock.offsets", url)
            if clear:
                psql("truncate trades", url)
            psql("checkpoint", url)
            return store(count, url=url)
        return once

    for size in [*_steps(100_000, asked().rows_most), asked().rows_most]:
        if size in points:
            continue
        psql("truncate trades", other)
        say(f"  {size:,} rows into the other table")
        for first in range(0, size, 1_000_000):  # In the order of their times, as they would have come.
            psql(_PREFILL.format(rows=size, first=first, last=min(size, first + 1_000_000) - 1), other)
        psql("vacuum analyze trades", other)
        ours_runs, limit_runs = [], []
        for _ in range(asked().rounds):
            ours_runs.append(into(other, clear=False)())
            limit_runs.append(into(None, clear=True)())
            # A small table must stay small.
            if size < 10_000_000:
                psql(f"delete from trades where id not like 'p%'", other)
                psql("vacuum full trades", other)
        report_pairs(f"store into a table of {size:,} rows", "rows/s", "into an empty one", ours_runs, limit_runs, aim=0.9)
        points[size] = [a.rate / b.rate for a, b in zip(ours_runs, limit_runs)]
    series("store into a full table : an empty one", "ratio", "rows in the table", points, better="more")
    empty("trades")
    psql("drop database bench_full")


def window():
    """Dedupe window of 10^3 to 10^7 ids: time of a record, memory; and the transformer with such windows"""
    nanoseconds, mb = {}, {}
    for ids in _steps(1_000, 10_000_000):
        lines = [[float(word) for word in program("dedupe", ids).split()] for _ in range(min(3, asked().rounds))]
        nanoseconds[ids], mb[ids] = [line[0] for line in lines], [line[1] for line in lines]
    series("dedupe, one record", "ns", "ids in the window", nanoseconds)
    series("dedupe, memory", "MB", "ids in the window", mb)
    fill(_records(), transformed=False)
    rates, cpu, peaks = {}, {}, {}
    for ids in _steps(1_000, 10_000_000):
        runs = [transform(_records(), "--window-records", str(ids)) for _ in range(asked().rounds)]
        rates[ids], cpu[ids], peaks[ids] = [run.rate for run in runs], [run.cpu for run in runs], [run.peak_mb for run in runs]
    series("transform", "frames/s", "transform.window_records", rates, better="more")
    series("transform, CPU", "CPU-s/M", "transform.window_records", cpu)
    series("transform, peak memory", "MB", "transform.window_records", peaks)


def batches():
    """Batch sizes: rows of the store's transaction, records of the transformer's"""
    fill(_records())
    rates, cpu = {}, {}
    for count in (1_000, 5_000, 10_000, 20_000, 50_000, 100_000):
        if count > _records() // 4:
            break  # Nothing could be seen between two commits.
        runs = []
        for _ in range(asked().rounds):
            empty("trades")
            runs.append(store(_records() - 1, "--batch-count-max", str(count), "--batch-age-ms-max", "1000"))
        rates[count], cpu[count] = [run.rate for run in runs], [run.cpu for run in runs]
        say(f"  {count:,}: {statistics.median(rates[count]):,.0f} rows/s")
    series("store", "rows/s", "store.batch_count_max", rates, better="more")
    series("store, CPU", "CPU-s/M", "store.batch_count_max", cpu)
    empty("trades")
    rates = {count: [transform(_records(), "--commit-count-max", str(count)).rate for _ in range(asked().rounds)]
             for count in (1_000, 10_000, 100_000)}
    series("transform", "frames/s", "transform.commit_count_max", rates, better="more")


def processes():
    """1, 2 and 4 transformers, 1, 2 and 4 stores of one group on this machine's cores"""
    fill()
    for name, run in (("store", lambda count: (empty("trades"), store(asked().records - 1, processes=count))[1]),
                      ("transform", lambda count: transform(asked().records, processes=count))):
        runs = {count: [run(count) for _ in range(asked().rounds)] for count in (1, 2, 4)}
        series(name, "records/s", f"{name} processes", {count: [each.rate for each in of] for count, of in runs.items()}, better="more")
        series(f"{name}, CPU", "CPU-s/M", f"{name} processes", {count: [each.cpu for each in of] for count, of in runs.items()})
    empty("trades")


SECTIONS = {"symbols": symbols, "rows": rows, "window": window, "batches": batches, "processes": processes}
