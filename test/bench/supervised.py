"""Section: what `penstock up` costs over the chain that it keeps."""
import os, signal, statistics, subprocess, sys, time, urllib.request

from measure import Agent, broker_cpu, brokers, cpu_of, database, database_cpu, say, value
from pipeline import Simulator, asked, clear, fresh_group, fresh_topics, seconds_until_visible


def _configuration(simulator, port):
    said = dict(zip(simulator.publish[2::2], simulator.publish[3::2]))
    path = f"{asked().work}/up.toml"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f'''[kafka]
brokers = "{brokers()}"
[database]
url = "{database()}"
[http]
listen = "127.0.0.1:{port}"
[spool]
folder = "{asked().work}/spool"
[publish.binance]
symbols = {str(said["--symbols"].split(",")).replace("'", '"')}
channels = {str(said["--channels"].split(",")).replace("'", '"')}
http_url = "{said["--http-url"]}"
websocket_url = "{said["--websocket-url"]}"
[transform]
group = "{fresh_group("up-transform")}"
[store]
group = "{fresh_group("up-store")}"
''')
    return path


def _children(pid):
    return [int(child) for child in open(f"/proc/{pid}/task/{pid}/children").read().split()]


def _scrape(port):
    began = time.monotonic()
    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read()
    return (time.monotonic() - began) * 1000


def supervised():
    """All agents under `penstock up`, at full speed, asked for /metrics each second: its own CPU, and the time from SIGTERM to its end"""
    shares, stops, seconds = [], [], 30
    for _ in range(min(asked().rounds, 3)):
        fresh_topics()
        clear()
        simulator, port = Simulator("max", 600), int(subprocess.check_output(["bash", "-c", ". scripts/lib/ports.sh; free_ports 1"]))
        path = _configuration(simulator, port)
        up = Agent(["up", "--config", path])
        seconds_until_visible(120)
        time.sleep(5)
        own, children = up.process.pid, _children(up.process.pid)
        spent = lambda: (cpu_of(own), sum(map(cpu_of, children)) + broker_cpu() + database_cpu())
        own_before, others_before = spent()
        took = []
        for _ in range(seconds):
            time.sleep(1)
            up.check()
            took.append(_scrape(port))
        own_after, others_after = spent()
        shares.append(100 * (own_after - own_before) / (own_after - own_before + others_after - others_before))
        began = time.monotonic()
        up.process.send_signal(signal.SIGTERM)
        up.process.wait(20)
        stops.append(time.monotonic() - began)
        simulator.__exit__()
        audit = subprocess.run([asked().penstock, "audit", "--config", path], capture_output=True, text=True)
        say(f"  supervisor {shares[-1]:.2f} % of the CPU, /metrics {statistics.median(took):.1f} ms, SIGTERM to exit {stops[-1]:.2f} s, exit {up.process.returncode}")
        if up.process.returncode != 0 or audit.returncode != 0:
            sys.exit(f"up ended with exit {up.process.returncode}, audit with {audit.returncode}:\n{audit.stdout[-2000:]}{audit.stderr[-500:]}")
    value("supervisor and /metrics, of all CPU", "%", shares, aim=1)
    value("penstock up at full speed, SIGTERM -> exit, audit clean", "s", stops, aim=5)
    clear()


SECTIONS = {"supervised": supervised}
