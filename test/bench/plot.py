"""The series of a run as PNG files, by gnuplot: one for each x, with all that was measured along it."""
import os, re, subprocess, sys

# File -> title, section, what the figures' names begin with, their unit, the axes' names.
PLOTS = {
    "symbols": ("What a record costs as symbols grow", "symbols", "CPU of a record", "CPU-s/M", "symbols", "CPU seconds for a million records"),
    "rows": ("Storing into a table that is not empty", "rows", "store into", "ratio", "rows in the table", "of the speed into an empty one"),
    "window": ("What the dedupe window costs a record", "window", "dedupe", "ns", "ids in the window", "nanoseconds"),
    "window-memory": ("What the dedupe window holds", "window", "dedupe", "MB", "ids in the window", "MB"),
    "batches": ("The store with other batches", "batches", "store", "rows/s", "rows in a batch", "rows a second"),
    "processes": ("More processes on the same cores", "processes", "", "records/s", "processes", "records a second"),
}
STYLE = """set terminal pngcairo size 720,400 font 'DejaVu Sans,10' background '#ffffff'
set output '{path}'
set title '{title}' font 'DejaVu Sans,12'
set border 3 lc rgb '#666666'
set tics nomirror out
set grid ytics lc rgb '#dddddd' lt 1
set key top left
set logscale x
set format x "{x_format}"
set xlabel '{x}'
set ylabel '{y}'
set xrange [{x_least}:{x_most}]
{y_range}
"""
COLOURS = ("#1f5fa8", "#d1622b", "#3a8a4d", "#7a4fa3")


def draw(figures, folder):
    os.makedirs(folder, exist_ok=True)
    for name, (title, section, begin, unit, x, y) in PLOTS.items():
        chosen = [each for each in figures if "points" in each and each["section"] == section and each["figure"].startswith(begin) and each["unit"] == unit]
        if chosen:
            path = f"{folder}/{name}.png"
            _gnuplot(path, title, chosen, x, y)
            print(f"# {path}")


def _gnuplot(path, title, chosen, x, y):
    xs = [point["x"] for each in chosen for point in each["points"]]
    most = max(point["most"] for each in chosen for point in each["points"])
    least = min(point["least"] for each in chosen for point in each["points"])
    log_y = least > 0 and most / least > 50
    few = len(set(xs)) < 5 and max(xs) < 100
    commands = STYLE.format(path=path, title=title, x=x, y=y, x_least=min(xs) / 1.5, x_most=max(xs) * 1.5, x_format="%g" if few else "10^{%T}",
                            y_range="set logscale y" if log_y else f"set yrange [0:{most * 1.25}]")
    if few:
        commands += f"set xtics ({', '.join(str(x) for x in sorted(set(xs)))})\n"
    data, lines = "", []
    for at, each in enumerate(chosen):
        data += f"$series{at} << END\n" + "".join(f"{p['x']} {p['median']} {p['least']} {p['most']}\n" for p in each["points"]) + "END\n"
        colour = COLOURS[at % len(COLOURS)]
        label = re.sub(r"^CPU of a record, ", "", each["figure"]).replace("_", "\\_")
        lines.append(f"$series{at} using 1:2:3:4 with yerrorbars lc rgb '{colour}' pt 7 ps 0.6 notitle, "
                     f"$series{at} using 1:2 with lines lc rgb '{colour}' lw 2 " + (f"title '{label}'" if len(chosen) > 1 else "notitle"))
    done = subprocess.run(["gnuplot"], input=commands + data + "plot " + ", ".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"gnuplot: {done.stderr.strip()}")
