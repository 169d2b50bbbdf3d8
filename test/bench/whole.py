"""Sections: the whole chain, from the simulator through publisher, transformer and store to the table."""
import statistics, sys, time

import measure
from measure import Agent, Offsets, Run, broker_cpu, brokers, database, database_cpu, program, psql, report_pairs, say, value
from pipeline import Simulator, asked, chain, clear, fresh_topics, script, seconds_until_visible

SLOPE = 0.01             # Of the rate: lag that grows slower is flat.
WARM = 90                # Seconds.
RECORDS_PER_EVENT = 1.6  # Of the simulator's market on channels trade and bookTicker.


class Chain:
    """All three agents behind a simulator that sends so many records a second, with topics of their own."""

    def __init__(self, rate, seconds, name):
        fresh_topics()
        clear()
        self.simulator = Simulator(rate if rate == "max" else round(rate / RECORDS_PER_EVENT), seconds + 600)
        commands, self.stores, self.transforms = chain(self.simulator, name)
        self.agents = {who: Agent(command) for who, command in commands.items()}
        self.offsets = Offsets()

    def check(self):
        for agent in self.agents.values():
            agent.check()

    def counts(self):
        """Records that were published, and those of them that are not yet in the table. What grows is asked for last."""
        ask, topics = self.offsets, ("md.trades", "md.tickers")
        stored = sum(ask.committed(self.stores, topic) for topic in topics)
        written = sum(ask.end(topic) for topic in topics)
        transformed = ask.committed(self.transforms, "raw.binance")
        published = ask.end("raw.binance")
        return published, published - transformed + written - stored

    def cpu(self):
        parts = {who: agent.cpu_seconds() for who, agent in self.agents.items()}
        return {**parts, "broker": broker_cpu(), "database": database_cpu(), "simulator": self.simulator.cpu_seconds()}

    def memory(self, which="VmRSS"):
        return {who: agent.memory_mb(which) for who, agent in self.agents.items()}

    def close(self):
        for who in ("publish", "transform", "store"):
            self.agents[who].__exit__()
        self.simulator.__exit__()
        self.offsets.__exit__()


def _slope(samples):
    """Of (time, lag), records a second: least squares, so that one late look does not decide."""
    times, lags = zip(*samples)
    mean_time, mean_lag = statistics.mean(times), statistics.mean(lags)
    spread = sum((at - mean_time) ** 2 for at in times)
    return sum((at - mean_time) * (lag - mean_lag) for at, lag in samples) / spread


def _watch(whole, seconds):
    """Lag each second, and how many records came in."""
    samples, began = [], time.monotonic()
    first = whole.counts()[0]
    while (at := time.monotonic() - began) < seconds:
        time.sleep(1)
        whole.check()
        samples.append((at, whole.counts()[1]))
    return samples, (whole.counts()[0] - first) / (time.monotonic() - began)


def _rows():
    """At the moment of the call."""
    return int(psql("select (select count(*) from trades) + (select count(*) from tickers)"))


def _keeps_up(rate, seconds):
    """Whether nothing piles up at this rate; and how much comes through."""
    whole = Chain(rate, seconds + 60, "trial")
    time.sleep(10)
    samples, came = _watch(whole, min(20, seconds))
    whole.close()
    grows = _slope(samples)
    say(f"  {rate:,.0f}/s: {came:,.0f} come in, lag {samples[0][1]:,} -> {samples[-1][1]:,}")
    return came >= 0.95 * rate and grows <= SLOPE * rate * 2, came - max(0, grows)


def _highest_rate(first, seconds):
    """The highest rate, but not above the first, at which nothing piles up; within a twelfth."""
    good, bad, rate = 0, None, first
    while bad is None or good < 0.92 * bad:
        if rate < 1_000:
            sys.exit("the chain does not keep up with 1,000 records a second")
        keeps_up, through = _keeps_up(rate, seconds)
        if keeps_up:
            good = rate
            if bad is None:
                break
        else:
            bad = rate
        rate = (good + bad) / 2 if good else min(0.95 * bad, through)
    return good


def chain_section():
    """The whole chain at the highest rate at which nothing piles up, for --minutes: the sum of its parts' CPU"""
    seconds = asked().minutes * 60
    # The broker's Java takes twice the CPU until it is compiled: what came through meanwhile would be far too little.
    warm = Chain(asked().rate, seconds, "warm")
    time.sleep(min(WARM, seconds))
    warm.close()
    rate = _highest_rate(asked().rate, seconds)
    while True:
        whole = Chain(rate, seconds + 60, "chain")
        time.sleep(10)
        say(f"  {rate:,.0f}/s for {seconds:.0f} s now")
        cpu, began = whole.cpu(), time.monotonic()
        rows = _rows()
        lags, _ = _watch(whole, seconds)
        took = time.monotonic() - began
        spent = {who: seconds_now - cpu[who] for who, seconds_now in whole.cpu().items()}
        stored = _rows() - rows
        peaks = whole.memory("VmHWM")
        whole.close()
        if _slope(lags) <= SLOPE * rate:
            break
        say(f"  lag {lags[0][1]:,} -> {lags[-1][1]:,}; less is tried")
        rate *= 0.9
        if rate < 1_000:
            sys.exit("the chain does not keep up with 1,000 records a second")
    total = sum(spent.values())
    cores = measure.options.machine["cores"]
    report_pairs(f"whole chain, {asked().minutes:g} min", "records/s", "the sum of its parts' CPU on all cores",
                 [Run(stored / took, total * 1e6 / stored, max(peaks.values()))], [Run(cores * stored / total)])
    value("whole chain, sustained", "records/s", [stored / took], better="more", aim=80_000)
    value("whole chain, lag grows by", "records/s", [_slope(lags)], aim=SLOPE * rate)
    value("whole chain, lag", "records", [lag for _, lag in lags])
    for who, used in spent.items():
        value(f"whole chain, CPU of {who}", "CPU-s/M", [used * 1e6 / stored])
    clear()


def latency():
    """5,000 records/s, received -> visible in the table by PostgreSQL's own commit times: two bare hops and a COPY commit"""
    p50s, p99s, limits = [], [], []
    seconds = 30
    for at in range(1 + min(asked().rounds, 5)):
        whole = Chain(5000, seconds, "latency")
        seconds_until_visible(60)
        time.sleep(5)
        began = psql("select now()")
        time.sleep(seconds)
        where = f"received_at between '{began}'::timestamptz and '{began}'::timestamptz + interval '{seconds - 2} s'"
        of_row = "extract(epoch from pg_xact_commit_timestamp(xmin) - received_at) * 1000"
        rows, p50, p99, most = psql(f"""
            select count(*), percentile_cont(0.5) within group (order by ms), percentile_cont(0.99) within group (order by ms), max(ms)
            from (select {of_row} as ms from trades where {where} union all select {of_row} from tickers where {where}) one""").split("|")
        whole.close()
        bare = [float(word) for word in program("hops", brokers(), database(), 5000, 15).split()]
        program("forget", brokers(), "bench.hop1", "bench.hop2")
        say(f"  {int(rows) / (seconds - 2):,.0f} rows/s, p50 {float(p50):.1f}, p99 {float(p99):.1f}, most {float(most):.0f} ms; bare {bare} ms")
        if at > 0:  # The first does not count: see measure.pairs().
            p50s.append(float(p50)), p99s.append(float(p99)), limits.append(bare)
    value("received -> visible, p50", "ms", p50s, aim=25)
    value("received -> visible, p99", "ms", p99s, aim=60)
    for name, ours, at in (("p50", p50s, 0), ("p99", p99s, 1)):
        report_pairs(f"received -> visible, {name}", "ms", "two bare hops and a COPY commit", [Run(ms) for ms in ours], [Run(limit[at]) for limit in limits], better="less")
    clear()


def memory():
    """Resident memory of each agent at 5,000 records/s and at full speed, over --minutes each"""
    seconds = asked().minutes * 60
    for name, rate, aim in (("at 5,000 records/s", 5000, 48), ("at full speed", "max", 128)):
        whole = Chain(rate, seconds, "memory")
        seconds_until_visible(60)
        settled = min(60, seconds / 4)
        samples, began = {who: [] for who in whole.agents}, time.monotonic()
        while (at := time.monotonic() - began) < seconds:
            time.sleep(1)
            whole.check()
            for who, mb in whole.memory().items():
                samples[who].append((at, mb))
        peaks = whole.memory("VmHWM")
        whole.close()
        for who, values in samples.items():
            late = [(at, mb) for at, mb in values if at >= settled]
            value(f"memory of {who} {name}, peak", "MB", [peaks[who]], aim=aim)
            value(f"memory of {who} {name}, grows by", "MB/min", [_slope(late) * 60])
        clear()


def outage():
    """Resident memory of each agent while the database is away for --minutes, at 5,000 records/s; and that all comes in afterwards"""
    seconds = asked().minutes * 60
    whole = Chain(5000, seconds, "outage")
    seconds_until_visible(120)
    script(f"database_stop {asked().work}/database")
    samples, settled, began = [], min(60, seconds / 4), time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(1)
        if time.monotonic() - began > settled:
            samples.append(whole.memory())
    script(f"database_start {asked().work}/database")
    back = seconds_until_visible()
    whole.close()
    for who in whole.agents:
        value(f"memory of {who}, database away for {asked().minutes:g} min", "MB", [sample[who] for sample in samples])
    value(f"database back after {asked().minutes:g} min -> all that came meanwhile is stored, and rows flow live", "s", [back])


SECTIONS = {"chain": chain_section, "latency": latency, "memory": memory, "outage": outage}
