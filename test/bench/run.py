"""Called by scripts/bench, which brings DATABASE_URL and KAFKA_BROKERS. Each figure is ours / limit in the same run."""
import argparse, json, os, platform, re, subprocess, sys, time, traceback

import compare, measure, parts, plot, restart, scale, supervised, tables, whole

SECTIONS = {**parts.SECTIONS, **whole.SECTIONS, **scale.SECTIONS, **restart.SECTIONS, **supervised.SECTIONS}
NOT_BY_DEFAULT = {"outage"}  # It takes --minutes in which nothing can be seen but that memory does not grow.


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", usage="scripts/bench [SECTION...] [FLAG...]; scripts/bench --help says more")
    parser.add_argument("sections", nargs="*", metavar="SECTION")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=100_000)
    parser.add_argument("--rows-most", type=int, default=10_000_000)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--compare", metavar="OLD.json")
    parser.add_argument("--plots", metavar="FOLDER")
    parser.add_argument("--docs", metavar="FILE")
    parser.add_argument("--from", metavar="JSON", dest="given", action="append")
    parser.add_argument("--only-check", action="store_true")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--work", default="")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.records, options.minutes, options.rows_most = 1, 300_000, 0.5, 100_000
    if unknown := sorted(set(options.sections) - set(SECTIONS)):
        sys.exit(f"there is no section {', '.join(unknown)}; there are: {' '.join(SECTIONS)}")
    for flag, least, most in (("rounds", 1, 1000), ("records", 100_000, 10**9), ("minutes", 0.1, 10_000), ("rate", 1000, 10**7), ("rows_most", 100_000, 10**10)):
        if not least <= getattr(options, flag) <= most:
            sys.exit(f"--{flag.replace('_', '-')} {getattr(options, flag):g}: takes {least:g} to {most:g}")
    options.old = compare.load(options.compare) if options.compare else None
    options.given = tables.merge([compare.load(path) for path in options.given]) if options.given else None
    if options.json and not os.path.isdir(os.path.dirname(os.path.abspath(options.json))):
        sys.exit(f"--json {options.json}: there is no folder of that name")
    options.penstock = os.path.abspath(f"{options.build}/penstock")
    options.sections = list(dict.fromkeys(options.sections)) or [name for name in SECTIONS if name not in NOT_BY_DEFAULT]
    return options


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def versions():
    def found(pattern, text):
        match = re.search(pattern, text)
        return match[1].strip() if match else "?"
    memory_kb = int(found(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read()))
    kafka = [name for name in os.listdir(measure_kafka_folder()) if name.startswith("kafka_")]
    return {"cpu": found(r"model name\s*: (.*)", open("/proc/cpuinfo").read()), "cores": len(os.sched_getaffinity(0)), "memory_gb": round(memory_kb / 2**20),
            "kernel": platform.release().split("-")[0], "compiler": output_of("c++", "--version").split("\n")[0],
            "kafka": found(r"kafka_[\d.]+-([\d.]+)\.jar", " ".join(kafka)), "postgres": measure.psql("show server_version").split()[0],
            "timescaledb": measure.psql("select default_version from pg_available_extensions where name = 'timescaledb'"),
            "librdkafka": output_of("pkg-config", "--modversion", "rdkafka"), "simdjson": output_of("pkg-config", "--modversion", "simdjson"),
            "commit": output_of("git", "rev-parse", "--short", "HEAD") + ("+" if output_of("git", "status", "--porcelain", "-uno") else "")}


def measure_kafka_folder():
    command = open(f"/proc/{measure.broker_pid()}/cmdline").read().split("\0")
    return next(word for word in command if word.endswith("/lib/*")).removesuffix("/*")


def main():
    options = parse()
    if options.list:
        for name, section in SECTIONS.items():
            print(f"{name:<13} {section.__doc__}" + ("; only where it is named" if name in NOT_BY_DEFAULT else ""))
        return
    if options.given:  # A run that is over: only its table, plots and comparison.
        result = options.given
        print(describe(result["machine"]), measure.header, sep="\n")
        for figure in result["figures"]:
            if "points" not in figure:
                print(measure.row(figure))
    elif options.only_check:
        return
    else:
        result = run(options)
    if options.plots:
        plot.draw(result["figures"], options.plots)
    if options.docs:
        tables.rewrite(options.docs, result)
    if options.old and not compare.compare(options.old, result):
        sys.exit(1)
    if result.get("failed"):
        sys.exit(2)


def describe(machine):
    return "# " + ", ".join(f"{key} {value}" for key, value in machine.items())


def others_share():
    """How busy this machine is before a section begins: with what is not ours."""
    def jiffies():
        fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
        return sum(fields), fields[3] + fields[4]
    total, idle = jiffies()
    time.sleep(1)
    total_then, idle_then = jiffies()
    return round(1 - (idle_then - idle) / max(1, total_then - total), 3)


def run(options):
    measure.options = options
    options.machine = machine = versions()
    began = time.time()
    asked = {name: getattr(options, name) for name in ("rounds", "records", "minutes", "rows_most")}
    print(describe(machine), measure.header, sep="\n", flush=True)
    result = {"machine": machine, "asked": asked, "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)), "figures": measure.figures}

    def save():
        if options.json:
            with open(options.json, "w") as file:
                json.dump(result, file, indent=1)

    result["others"] = {}
    failed = []
    for name in options.sections:
        measure.section = name
        result["others"][name] = others = others_share()
        measure.say(f"section {name}: {SECTIONS[name].__doc__}" +
                    (f"; {others:.0%} of this machine is busy with something else: figures will be worse than they are" if others > 0.1 else ""))
        try:
            SECTIONS[name]()
        except (SystemExit, Exception) as error:
            if not isinstance(error, SystemExit):
                traceback.print_exc()
            measure.say(f"section {name} gave up: {error}")
            failed.append(name)
            measure.end_all()
        save()
    missed = [figure["figure"] for figure in measure.figures if measure.reaches(figure) is False]
    print(f"# {len(measure.figures)} figures in {time.time() - began:.0f} s" + (f"; below their aim: {'; '.join(missed)}" if missed else ""))
    if failed:
        print(f"# gave up: {' '.join(failed)}")
    result["failed"] = failed
    return result


measure.run(main)
