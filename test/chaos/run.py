"""Called by scripts/chaos and by the tests: rounds of chaos, each compared with what was sent. See docs/chaos.md."""
import argparse, collections, json, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, time

from hand import Hand, acts, kill_in_turns, plan
from pipeline import LIB, PROVIDERS, Agent, Broker, Database, Simulator, SmallDisk
from proxy import Proxy

STARTS_A_SECOND = 4
STOP_SECONDS = 5
DRAIN_SECONDS = 150
LOG_LINES = 8
MEMORY_MB = {"publish": 150, "transform": 300, "store": 300}
BEGAN = time.monotonic()


def say(text):
    print(f"{time.monotonic() - BEGAN:7.1f} s  {text}", file=sys.stderr, flush=True)


class Round:
    """One market from its start to its end, through processes that are killed all the time."""

    def __init__(self, seed, work):
        self.random, self.work, self.truth = random.Random(seed), work, f"{work}/truth.jsonl"
        self.proxies = {"broker": Proxy(lambda: self.broker.port()), "database": Proxy(lambda: self.database.port()),
                        "provider": Proxy(lambda: self.simulator.port)}
        self.spool = SmallDisk(f"{work}/spool", say)
        self.broker, self.database = Broker(work, self.proxies["broker"].port), Database(work)
        self.seed, self.simulator, self.agents, self.hand, self.wrong = seed, None, [], None, []

    def run(self):
        self.begin()
        self.hand = Hand(self.plan(), say)
        while self.hand.is_busy():
            self.keep_running()
        self.wrong += self.hand.failures
        self.drain()
        self.stop()
        self.compare()
        self.report()

    # ---- Begin.

    def plan(self):
        if options.twins:
            return kill_in_turns(self.random, list(zip(self.agents[0:4:2], self.agents[1:4:2])), options.seconds, options.rate / 10)
        return plan(self.random, options.seconds, acts(self.random, self.agents, self.broker, self.database, self.spool, self.proxies))

    def source(self):
        if options.recordings:
            return ["--recording", options.recordings, "--speed", "max"]
        market = ["--seed", str(self.seed), "--rate", str(options.rate), "--length", f"{options.seconds}s", "--truth", self.truth,
                  "--fault", "duplicate=0.01", "--fault", "reorder=0.01"]
        # Twins stand in for each other; one publisher alone needs what its predecessor had not sent.
        return market if options.twins else [*market, "--from-start", "--fault", "malformed=0.001"]

    def begin(self):
        self.broker.start()
        self.database.start()
        self.here = ["--kafka-brokers", f"127.0.0.1:{self.broker.port('port')}"]
        self.simulator = Simulator(options.penstock, self.work, [*PROVIDERS, *self.source()])
        self.configure()
        config = ["--config", f"{self.work}/penstock.toml"]
        self.penstock("topics", "apply", *config, *self.here)
        self.penstock("db", "apply", "--database-url", self.database.url)
        publishers = [(f"publish-{provider}{twin}", "publish", provider) for provider in PROVIDERS for twin in (("-a", "-b") if options.twins else ("",))]
        for name, *command in (*publishers, *((f"{kind}-{number}", kind) for kind in ("transform", "store") for number in (1, 2))):
            self.agents.append(Agent(options.penstock, self.work, name, [*command, *config]))
        self.next_start = 0
        while not all(self.keep_running()):
            pass

    def configure(self):
        name = f"chaos-{os.path.basename(self.work)}"
        lines = ["[kafka]", f'brokers = "127.0.0.1:{self.proxies["broker"].port}"', "session_timeout_ms = 3000", "wait_ms_max = 0", 'properties = ["transaction.timeout.ms=6000"]',
                 "[database]", f'url = "postgresql://penstock@127.0.0.1:{self.proxies["database"].port}/penstock"',
                 "[spool]", f'folder = "{self.spool.folder}"',
                 # All of the market may come again after any number of deaths.
                 "[transform]", f'group = "{name}-transform"', "window_records = 1000000", "[store]", f'group = "{name}-store"']
        for provider, urls in self.simulator.sections.items():
            lines.append(f"[publish.{provider}]")
            lines += [f'{key} = "{url.replace(str(self.simulator.port), str(self.proxies["provider"].port), 1)}"' for key, url in urls.items()]
        pathlib.Path(self.work, "penstock.toml").write_text("\n".join(lines) + "\n")

    def penstock(self, *words):
        return subprocess.run([options.penstock, *words], check=True, capture_output=True, text=True).stdout

    def keep_running(self):
        """One turn: whoever is not there is started, some a second. Which of them run."""
        running = []
        for agent in self.agents:
            running.append(agent.look())
            if not running[-1] and time.monotonic() >= self.next_start:
                agent.start()
                self.next_start = time.monotonic() + 1 / STARTS_A_SECOND
        time.sleep(0.05)
        return running

    # ---- End.

    def drain(self):
        """Until nobody has anything left to do and the tables hold what was sent, or for too long."""
        say("the hand rests; draining")
        until, asked = time.monotonic() + DRAIN_SECONDS, 0
        while time.monotonic() < until:
            if all(self.keep_running()) and all(agent.is_quiet() for agent in self.agents) and time.monotonic() > asked + 2:
                if self.is_truth_equal() and self.open_gaps() == []:
                    return say("drained")
                asked = time.monotonic()
        self.wrong.append(f"not drained after {DRAIN_SECONDS} s; not quiet: {[agent.name for agent in self.agents if not agent.is_quiet()] or 'none'}")

    def is_truth_equal(self):
        if options.recordings:
            self.database.ask(pathlib.Path(LIB, "landed.sql").read_text())
            sent, compare = subprocess.check_output([sys.executable, f"{LIB}/recorded_counts.py", options.recordings], text=True), "recorded.sql"
        else:
            sent, compare = pathlib.Path(self.truth).read_text(), "truth.sql"
        done = subprocess.run(["psql", self.database.url, "-X", "-v", "ON_ERROR_STOP=1", "-f", f"{LIB}/{compare}"], input=sent, capture_output=True, text=True)
        self.comparison = done.stdout + done.stderr
        return done.returncode == 0

    def open_gaps(self):
        # A recording is followed by silence, which a publisher ends by connecting again; and its one snapshot may come too late.
        return self.gaps("state = 'open'" + (" and symbol <> '*' and cause <> 'late-join'" if options.recordings else ""))

    def gaps(self, which):
        return self.database.ask(f"select concat_ws(' ', source, symbol, channel, cause, state, 'from', from_time) from gaps where {which}").splitlines()

    def stop(self):
        agents = [agent for agent in self.agents if agent.look()]
        for agent in agents:
            agent.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for agent in agents:
            code = agent.wait(until - time.monotonic())
            if code != 0:
                self.wrong.append(f"{agent.name} did not stop within {STOP_SECONDS} s of SIGTERM" if code is None else f"{agent.name} stopped with exit code {code}")
            agent.process = None

    # ---- What came of it.

    def compare(self):
        if not self.is_truth_equal():
            self.wrong.append("what is stored is not what was sent (the table above says where)")
        self.wrong += [f"a gap stays open: {gap}" for gap in self.open_gaps()]
        self.compare_letters()
        if options.twins:
            # A whole connection is lost, too, when the market has been over for a minute; it says nothing of what is missing.
            self.wrong += [f"a gap although one of two publishers was always there: {gap}" for gap in self.gaps("symbol <> '*' and cause <> 'late-join'")]
            self.compare_copies()
            if not self.hand.done:
                self.wrong.append("the hand did nothing, for two publishers never brought the market at once: more --seconds, or a machine with less to do")
        for agent in self.agents:
            if agent.ended_itself:
                self.wrong.append(f"{agent.name} ended by itself {len(agent.ended_itself)} times, exit codes {agent.ended_itself} (log: {agent.name}.log)")
            if agent.peak_mb > MEMORY_MB[agent.kind]:
                self.wrong.append(f"{agent.name} took {agent.peak_mb:.0f} MB, more than {MEMORY_MB[agent.kind]}")
        if " audit " in self.penstock("--help"):
            audit = subprocess.run([options.penstock, "audit", "--config", f"{self.work}/penstock.toml"], capture_output=True, text=True)
            if audit.returncode != 0:
                self.wrong.append(f"penstock audit is not clean:\n{audit.stdout}{audit.stderr}")

    def compare_copies(self):
        """What the slower of two publishers sent is counted as duplicate: about as much as what was written."""
        ledger = [row["value"] for row in self.read_all(["penstock.ledger"])["penstock.ledger"]]
        written, duplicate = (sum(row[name] for row in ledger) for name in ("written", "duplicate"))
        print(f"the transformers wrote {written} records and left out {duplicate} duplicates")
        if duplicate < written / 2:
            self.wrong.append(f"only {duplicate} duplicates beside {written} records: two publishers of the same feed make more")

    def compare_letters(self):
        """Each frame that was cut short is a letter, nothing else is; no raw record has two."""
        cut = collections.defaultdict(set)
        for line in open(self.truth) if os.path.exists(self.truth) else ():
            if line.startswith('{"malformed"'):
                malformed = json.loads(line)["malformed"]
                cut[f"raw.{malformed['source']}.dead"].add(malformed["bytes"])
        topics = [f"raw.{provider}.dead" for provider in self.simulator.sections] + [f"md.{kind.stem}.dead" for kind in LIB.glob("../../schemas/*.json")]
        self.letters, self.cut = 0, sum(map(len, cut.values()))
        for topic, letters in self.read_all(topics).items():
            found = {letter["value"] for letter in letters}
            places = collections.Counter((headers["partition"], headers["offset"]) for headers in (dict(letter["headers"]) for letter in letters))
            self.letters += len(letters)
            for count, what in ((len(cut[topic] - found), "bad frames are not in"), (len(found - cut[topic]), "letters are of no bad frame in"),
                                (sum(count > 1 for count in places.values()), "records have more than one letter in")):
                if count:
                    self.wrong.append(f"{count} {what} {topic}")

    def read_all(self, topics):
        """topic -> its records. The agents are gone: what is there comes within the time."""
        taps = {topic: subprocess.Popen(["timeout", "5", options.penstock, "tap", topic, "--from", "beginning", "--json", *self.here],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for topic in topics}
        return {topic: [json.loads(line) for line in tap.communicate()[0].splitlines()] for topic, tap in taps.items()}

    def report(self):
        print(f"\nround with seed {self.seed}: what the hand did")
        for kind, count in sorted(collections.Counter(f"{act.kind} {act.target}" for act in self.hand.done).items()):
            print(f"  {count:4d}  {kind}")
        print(f"{'agent':<22} {'starts':>6} {'kill -9':>7} {'by itself':>9} {'peak MB':>8} {'ceiling':>8}")
        for agent in self.agents:
            print(f"{agent.name:<22} {agent.starts:>6} {agent.kills:>7} {len(agent.ended_itself):>9} {agent.peak_mb:>8.0f} {MEMORY_MB[agent.kind]:>8}")
        print(self.comparison.rstrip())
        print(f"bad frames sent {self.cut}, dead letters {self.letters} (a frame that is served again is another letter)")

    def clean_up(self):
        for agent in self.agents:
            agent.kill()
        if self.simulator:
            self.simulator.process.kill()
        self.spool.remove()
        for server in (self.broker, self.database):
            try:
                server.stop("TERM" if server is self.broker else "immediate")
            except Exception as error:
                say(f"clean-up: {error}")


def one_round(seed):
    """Reasons why it is not good."""
    work = tempfile.mkdtemp(prefix="penstock-chaos-", dir="/tmp")
    os.chmod(work, 0o755)
    say(f"seed {seed}: {options.seconds} s of market at {options.rate} events/s a provider, in {work}")
    chaos = Round(seed, work)
    try:
        chaos.run()
    except Exception as error:
        chaos.wrong.append(f"{type(error).__name__}: {error}")
        if isinstance(error, subprocess.CalledProcessError):
            chaos.wrong.append(error.stderr)
    finally:
        chaos.clean_up()
        if not chaos.wrong:
            shutil.rmtree(work, ignore_errors=True)
    for reason in chaos.wrong:
        print(f"DIFFERENT: {reason}")
    if chaos.wrong:
        for log in sorted(pathlib.Path(work).glob("*.log")):
            print(f"-- the last of {log.name}", *log.read_text(errors="replace").splitlines()[-LOG_LINES:], sep="\n")
        print(f"logs, topics and tables: {work}\nthe same again: scripts/chaos --seed {seed} --seconds {options.seconds} --rate {options.rate}"
              + (" --twins" if options.twins else "") + (f" --recordings {options.recordings}" if options.recordings else ""))
    return chaos.wrong


parser = argparse.ArgumentParser()
parser.add_argument("--penstock", required=True)
parser.add_argument("--minutes", type=float, default=0)
parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1_000_000))
parser.add_argument("--seconds", type=int, default=45)
parser.add_argument("--rate", type=int, default=300)
parser.add_argument("--twins", action="store_true")
parser.add_argument("--recordings", metavar="DIR")
options = parser.parse_args()


def on_signal(number, _):
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, on_signal)
rounds = 0
while rounds == 0 or time.monotonic() - BEGAN < options.minutes * 60:
    if one_round(options.seed + rounds):
        sys.exit(1)
    rounds += 1
print(f"\n{rounds} rounds, seeds {options.seed} to {options.seed + rounds - 1}: all equal")
