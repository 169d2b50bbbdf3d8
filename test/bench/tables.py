"""Figures as the tables of docs/performance.md: what stands between <!-- bench: SECTION... --> and <!-- end --> is made anew."""
import re

from measure import _number as number, reaches


def _aim(figure):
    if "aim" not in figure:
        return "–"
    text = ("≤ " if figure.get("better") == "less" else "≥ ") + number(figure["aim"])
    return text if reaches(figure) else f"**{text}**"


def _ratios(figures):
    lines = ["| figure | penstock | limit | ratio (spread) | aim | CPU-s/M, limit's | peak |", "|---|---|---|---|---|---|---|"]
    for each in figures:
        cpu = "–" if each.get("cpu") is None or each["unit"] == "CPU-s/M" else number(each["cpu"]) + ("" if each.get("limit_cpu") is None else f", {number(each['limit_cpu'])}")
        lines.append(f"| {each['figure']}, {each['unit']} | {number(each['ours'])} | {number(each['limit'])}: {each['limit_name']} | "
                     f"{each['ratio']:.2f} ({each['least']:.2f}–{each['most']:.2f}"
                     + (f", {len(each['pairs'])} pairs" if 1 < len(each["pairs"]) < 5 else "") + f") | {_aim(each)} | {cpu} | "
                     + ("–" if each.get("peak_mb") is None else f"{each['peak_mb']:.0f} MB") + " |")
    return lines


def _values(figures):
    lines = ["| figure | measured (spread) | aim |", "|---|---|---|"]
    for each in figures:
        spread = f" ({number(each['least'])}–{number(each['most'])})" if each["samples"] > 1 else ""
        lines.append(f"| {each['figure']} | {number(each['median'])} {each['unit']}{spread} | {_aim(each)} |")
    return lines


def _series(figures):
    lines = []
    for x_name in dict.fromkeys(each["x_name"] for each in figures):
        of = [each for each in figures if each["x_name"] == x_name]
        xs = list(dict.fromkeys(point["x"] for each in of for point in each["points"]))
        lines += ["", f"| {x_name} | " + " | ".join(f"{x:,}" for x in xs) + " |", "|---|" + "---|" * len(xs)]
        for each in of:
            at = {point["x"]: point for point in each["points"]}
            lines.append(f"| {each['figure']}, {each['unit']} | " + " | ".join(number(at[x]["median"]) if x in at else "" for x in xs) + " |")
    return lines


def _block(result, sections):
    if sections == ["machine"]:
        machine, asked = result["machine"], result["asked"]
        busy = [name for name, share in result.get("others", {}).items() if share > 0.1]
        return [f"{machine['cores']} cores of {machine['cpu'].replace('(R)', '').replace('  ', ' ').strip()}, {machine['memory_gb']} GB, Linux {machine['kernel']}, "
                f"{machine['compiler'].replace('c++ (Debian ', 'GCC ').split(')')[0]}, librdkafka {machine['librdkafka']}, simdjson {machine['simdjson']}; broker (Apache Kafka "
                f"{machine['kafka']}), database (PostgreSQL {machine['postgres']}, TimescaleDB {machine['timescaledb']}, Apache edition, fsync on, 256 MB of "
                "shared buffers) and penstock share them.",
                f"Measured {result['began'][:10]} with `--rounds {asked['rounds']} --records {asked['records']} --minutes {asked['minutes']:g}`"
                + (f"; other work kept the machine busy before these sections began: {', '.join(busy)}." if busy else "; nothing else ran.")]
    of = [each for each in result["figures"] if each["section"] in sections]
    lines = []
    for some, table in (([e for e in of if "ratio" in e], _ratios), ([e for e in of if "median" in e], _values), ([e for e in of if "points" in e], _series)):
        if some:
            lines += ["", *table(some)]
    return [line for at, line in enumerate(lines) if line or (at > 0 and lines[at - 1])]


def rewrite(path, result):
    """Blocks of sections that were not measured stay as they are."""
    text = open(path).read()

    def block(match):
        lines = _block(result, match[2].split())
        return match[1] + "\n".join(lines) + "\n" + match[4] if lines else match[0]

    with open(path, "w") as file:
        file.write(re.sub(r"(<!-- bench: ([a-z ]+?) -->\n)(.*?)(<!-- end -->)", block, text, flags=re.S))


def merge(runs):
    """Several runs as one: of each section, the last."""
    result = {**runs[-1], "others": {}, "figures": []}
    for at, run in enumerate(runs):
        later = {figure["section"] for other in runs[at + 1:] for figure in other["figures"]}
        result["figures"] += [figure for figure in run["figures"] if figure["section"] not in later]
        result["others"] |= {name: busy for name, busy in run.get("others", {}).items() if name not in later}
    return result
