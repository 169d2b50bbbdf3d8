#!/usr/bin/env python3
"""panels.py PROMETHEUS_URL PSQL...: runs every query of every panel and variable of compose/grafana/dashboards as Grafana would.
panels.py --shapes: only looks how the panels lie.

PSQL...: a command that takes SQL on stdin and answers in CSV with a header line. Exit 1 where a query fails or has no data: what
may be empty on a good day must say 0 instead.
"""
import csv
import io
import json
import math
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

FOLDER = pathlib.Path(__file__).parents[2] / "compose/grafana/dashboards"
SPAN = 600  # seconds of a dashboard's time range


def ask(url, path, **words):
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(words)}", timeout=10) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["error"]) from None


def series_of(url, expression, instant):
    now = time.time()
    if instant:
        found = ask(url, "query", query=expression, time=now)["result"]
        return [one for one in found if not math.isnan(float(one["value"][1]))]
    found = ask(url, "query_range", query=expression, start=now - SPAN, end=now, step=5)["result"]
    return [one for one in found if any(not math.isnan(float(value)) for _, value in one["values"])]


def rows_of(psql, statement):
    done = subprocess.run(psql, input=statement, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    return list(csv.DictReader(io.StringIO(done.stdout)))


def filled(text, variables):
    """Grafana's macros and variables, as it would replace them."""
    # Four scrapes, as Grafana takes it for a data source with an interval of 5 s.
    text = text.replace("$__rate_interval", "20s").replace("$__interval", "5s")
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 between now() - interval '{SPAN} seconds' and now() + interval '1 minute'", text)
    for name, value in variables.items():
        text = text.replace(f"${name}", value)
    if left := re.search(r"\$\w+", text):
        raise ValueError(f"{left[0]} is neither a variable of the dashboard nor a known macro")
    return text


def variables_of(dashboard, url, psql):
    """The first value that each variable offers; all of them where it may."""
    values = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "custom":
            offered = variable["query"].split(",")
        elif variable["datasource"]["type"] == "prometheus":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            offered = ask(url, f"label/{label}/values", **{"match[]": selector})
        else:
            offered = [next(iter(row.values())) for row in rows_of(psql, variable["definition"])]
        if not offered:
            raise ValueError(f"variable {variable['name']} offers nothing")
        values[variable["name"]] = variable.get("allValue") or offered[0]
    return values


def look(panel, target, url, psql, variables):
    """How much a query brings, in words. Raises ValueError where it brings nothing."""
    if target["datasource"]["type"] == "prometheus":
        found = series_of(url, filled(target["expr"], variables), target.get("instant", False))
        newest = [float((one.get("value") or one["values"][-1])[1]) for one in found]
        what = f"series, now {min(newest):.6g} to {max(newest):.6g}" if newest else ""
    else:
        found = rows_of(psql, filled(target["rawSql"], variables))
        what = f"rows, the first: {' '.join(found[0].values())}" if found else ""
    if not found:
        raise ValueError("no data")
    return f"{len(found)} {what}"


def shape_faults(dashboard):
    panels = dashboard["panels"]
    taken = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        if cells & taken or grid["x"] + grid["w"] > 24:
            yield f"{panel['title']}: it lies on another panel, or outside"
        taken |= cells
        if not panel.get("description"):
            yield f"{panel['title']}: it has no description"
    if len({panel["id"] for panel in panels}) != len(panels):
        yield "two panels have one id"


def dashboards():
    return [(file, json.loads(file.read_text())) for file in sorted(FOLDER.glob("*.json"))]


def shapes():
    faults = [f"FAILED {file.name}: {fault}" for file, dashboard in dashboards() for fault in shape_faults(dashboard)]
    print(*faults, f"{len(dashboards())} dashboards, {len(faults)} faults in their shape", sep="\n")
    return 1 if faults or not dashboards() else 0


def main(url, psql):
    faults = looked = 0
    for file, dashboard in dashboards():
        variables = variables_of(dashboard, url, psql)
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                looked += 1
                name = f"{file.name}: {panel['title']}"
                try:
                    print(f"       {name}: {look(panel, target, url, psql, variables)}")
                except ValueError as error:
                    faults += 1
                    print(f"FAILED {name}: {error}\n       {target.get('expr') or target['rawSql']}")
    print(f"{looked} queries of panels, {faults} without an answer")
    return 1 if faults or not looked else 0


if __name__ == "__main__":
    sys.exit(shapes() if sys.argv[1:] == ["--shapes"] else main(sys.argv[1], sys.argv[2:]))
