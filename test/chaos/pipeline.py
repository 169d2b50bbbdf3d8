"""What a chaos run is made of: a simulator, agents, a broker and a database, each of which can be ended and started again."""
import ctypes, json, os, pathlib, re, signal, subprocess, threading

PROVIDERS = ["binance", "hyperliquid"]
LIB = pathlib.Path(__file__).resolve().parents[2] / "scripts/lib"


def shell(command, **variables):
    """A function of scripts/lib, and what it prints."""
    sources = " && ".join(f". {LIB}/{name}.sh" for name in ("kafka", "database"))
    done = subprocess.run(["bash", "-c", f"{sources} && {command}"], env={**os.environ, **variables}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.strip()}")
    return done.stdout.strip()


class Broker:
    def __init__(self, work, proxy_port):
        self.dir = f"{work}/kafka"
        self.proxy = {"KAFKA_PROXY": str(proxy_port)}

    def start(self):
        shell(f"kafka_start {self.dir}", **self.proxy)

    def stop(self, how):
        if how == "KILL":
            os.kill(int(pathlib.Path(self.dir, "pid").read_text()), signal.SIGKILL)
        shell(f"kafka_stop {self.dir}")

    def port(self, which="proxied_port"):
        return int(pathlib.Path(self.dir, which).read_text())


class Database:
    def __init__(self, work):
        self.dir = f"{work}/database"

    def start(self):
        self.url = shell(f'database_start {self.dir} && printf %s "$DATABASE_URL"')

    def stop(self, how):
        shell(f"database_stop {self.dir} {how}")

    def port(self):
        return int(pathlib.Path(self.dir, "port").read_text())

    def ask(self, statement):
        return subprocess.run(["psql", self.url, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement], check=True, capture_output=True, text=True).stdout.strip()


MS_REC, MS_PRIVATE, MNT_DETACH = 1 << 14, 1 << 18, 2
libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind, flags, data=None):
    if libc.mount(*(word and word.encode() for word in (source, target, kind)), flags, data and data.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class SmallDisk:
    """A folder of 4 MB where this process may mount one (else it is a folder like any other), which can be filled."""

    def __init__(self, folder, say):
        self.folder = folder
        os.mkdir(folder)
        try:
            # Seen by this process and its children only, so that it is gone with them, however they end.
            os.unshare(os.CLONE_NEWNS)
            mount("none", "/", None, MS_REC | MS_PRIVATE)
            mount("tmpfs", folder, "tmpfs", 0, "size=4m")
            self.is_small = True
        except OSError as error:
            say(f"skipped: filling the spool's disk, for none can be mounted here ({error})")
            self.is_small = False

    def fill(self):
        try:
            with open(f"{self.folder}/filler", "wb", buffering=0) as filler:
                while self.is_small:
                    filler.write(bytes(65536))
        except OSError:
            pass  # No space left: as it should be.

    def free(self):
        pathlib.Path(self.folder, "filler").unlink(missing_ok=True)

    def remove(self):
        if self.is_small:
            libc.umount2(self.folder.encode(), MNT_DETACH)


def started(command, **options):
    """A process that does not outlive this one."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, **options)


class Simulator:
    """Outlives everything else."""

    def __init__(self, penstock, work, arguments):
        log = open(f"{work}/simulate.log", "w")
        self.process = started([penstock, "simulate", *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
        self.sections, section = {}, None
        wanted = sum(word in PROVIDERS for word in arguments)
        for line in self.process.stdout:
            if found := re.match(r"\[publish\.(\w+)\]", line):
                section = self.sections.setdefault(found[1], {})
            elif found := re.match(r"(\w+_url) = \"(.*)\"", line):
                section[found[1]] = found[2]
            if len(self.sections) == wanted and all(len(urls) == 2 for urls in self.sections.values()):
                break
        else:
            raise RuntimeError(f"the simulator did not start: {open(log.name).read()}")
        self.port = int(re.search(r":(\d+)/", next(iter(self.sections.values()))["http_url"])[1])


class Agent:
    """One agent process at a time. A thread reads the metrics that it writes each second."""

    def __init__(self, penstock, work, name, arguments):
        self.name, self.kind = name, arguments[0]
        self._command = [penstock, *arguments]
        self._log = open(f"{work}/{name}.log", "ab")
        self._lock = threading.RLock()  # The hand is another thread.
        self.process = None
        self.kills = self.starts = 0
        self.ended_itself = []  # Exit codes of those that nobody had ended.
        self.peak_mb = 0.0
        self.status, self.status_before = None, None

    def start(self):
        reading, writing = os.pipe()
        self._log.write(f"---- start {self.starts}\n".encode())
        self._log.flush()
        self.process = started([*self._command, "--status-fd", str(writing)], pass_fds=[writing], stdout=self._log, stderr=self._log)
        os.close(writing)
        self.starts += 1
        self.status = self.status_before = None
        threading.Thread(target=self._read_status, args=(reading,), daemon=True).start()

    def _read_status(self, descriptor):
        with open(descriptor) as lines:
            for line in lines:
                status = json.loads(line)
                if self.process and status["pid"] == self.process.pid:
                    self.status_before, self.status = self.status, status

    def look(self):
        """Its memory; and whether it runs. One that ended by itself is noted."""
        with self._lock:
            return self._look()

    def _look(self):
        if self.process is None:
            return False
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                if found := re.search(r"VmHWM:\s+(\d+)", status.read()):
                    self.peak_mb = max(self.peak_mb, int(found[1]) / 1024)
        except FileNotFoundError:
            pass
        if self.process.poll() is None:
            return True
        self.ended_itself.append(self.process.returncode)
        self.process = None
        return False

    def kill(self):
        with self._lock:
            if not self._look():
                return
            self.process.kill()
            self.process.wait()
            self.process = None
            self.kills += 1

    def pause(self, paused):
        with self._lock:
            if self._look():
                self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def wait(self, seconds):
        """Its exit code; None where it had to be killed."""
        try:
            return self.process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    @staticmethod
    def _sum(status, name):
        return sum(metric["value"] for metric in status["metrics"] if metric["name"] == name)

    def _last_second(self, name):
        """What was counted within it; None where that is not known."""
        now, before = self.status, self.status_before
        return None if not self.look() or now is None or before is None else self._sum(now, name) - self._sum(before, name)

    def received(self):
        return self._last_second("penstock_received_total")

    def brings(self, least):
        """A publisher: `least` records a second or more reach the log, and no more than those of a second are on the way."""
        received, written, status = self.received(), self._last_second("penstock_written_total"), self.status
        if status is None or min(received or 0, written or 0) < least:
            return False
        return self._sum(status, "penstock_received_total") + self._sum(status, "penstock_spool_records") - self._sum(status, "penstock_written_total") <= received

    def is_quiet(self):
        """Nothing left to read, and nothing comes."""
        return self.received() == 0 and self._sum(self.status, "penstock_lag_records") == 0
