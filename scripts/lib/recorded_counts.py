"""recorded_counts.py FOLDER: an independent reading of recorded websocket traffic. Prints, for psql, what a pipeline subscribed to
BTC and ETH must store of it: source|kind|records, each identity once. Books: at most that many, since updates that a snapshot
covers are left out."""
import json
import pathlib
import sys

seen = {}


def see(source, kind, identity):
    seen.setdefault((source, kind), set()).add(identity)


def binance(frame):
    stream, data = frame.get("stream", ""), frame.get("data", {})
    symbol, _, channel = stream.partition("@")
    if symbol not in ("btcusdt", "ethusdt"):
        return
    if channel == "trade":
        see("binance", "trades", (symbol, data["t"]))
    elif channel == "bookTicker":
        see("binance", "tickers", (symbol, data["u"]))
    elif channel.startswith("depth"):
        see("binance", "books", (symbol, data["u"]))


def hyperliquid(frame):
    if frame.get("channel") == "trades":
        for trade in frame["data"]:
            see("hyperliquid", "trades", (trade["coin"], trade["tid"]))
    elif frame.get("channel") == "l2Book":
        see("hyperliquid", "books", json.dumps(frame["data"], sort_keys=True))


for provider, read in {"binance": binance, "hyperliquid": hyperliquid}.items():
    root = pathlib.Path(sys.argv[1])
    folder = root / provider if (root / provider).is_dir() else root
    for path in sorted(folder.glob("*.jsonl")):
        if provider == "binance" and "usdm" in path.name:  # Another venue of the same house.
            continue
        for line in path.open():
            frame = json.loads(line)
            if frame.get("dir") == "recv" and isinstance(frame.get("raw"), dict):
                read(frame["raw"])
for (source, kind), identities in sorted(seen.items()):
    print(f"{source}|{kind}|{len(identities)}")
