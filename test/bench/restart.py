"""Sections: how long nothing comes through."""
import time

from measure import Agent, say, value
from pipeline import asked, clear, script, seconds_until_visible
from whole import Chain


def _first_record(whole, who, end):
    """Seconds from the start of `who` until a record of after that is visible."""
    process = whole.agents[who].process
    end(process)
    process.wait()
    arguments = process.args[1:]
    time.sleep(1)
    whole.agents[who] = Agent(arguments)
    return seconds_until_visible()


def start():
    """First record after an agent's clean stop and start, and after kill -9 and start, at 2,000 records/s"""
    whole = Chain(2000, 1200, "start")
    value("all agents start together, with empty topics -> first record", "s", [seconds_until_visible(120)])
    session_timeout = 10  # kafka.session_timeout_ms
    for how, aim, end in (("stopped", 1, lambda process: process.terminate()), ("kill -9", session_timeout + 1, lambda process: process.kill())):
        for who in ("store", "transform", "publish"):
            took = []
            for _ in range(asked().rounds):
                clear()
                seconds_until_visible()
                took.append(_first_record(whole, who, end))
                say(f"  {who} {how}, started: {took[-1]:.2f} s")
            value(f"{who}: {how}, started -> rows flow", "s", took, aim=aim)
    whole.close()


def recovery():
    """Broker and database are away for 5 s: time from their start until rows flow, at 2,000 records/s"""
    whole = Chain(2000, 1200, "recovery")
    seconds_until_visible(120)
    for name in ("kafka", "database"):
        took = []
        for _ in range(asked().rounds):
            clear()
            seconds_until_visible()
            script(f"{name}_stop {asked().work}/{name}")
            time.sleep(5)
            script(f"{name}_start {asked().work}/{name}")
            took.append(seconds_until_visible())
            say(f"  {name} was away: {took[-1]:.2f} s")
        value(f"{name}: away for 5 s, back -> rows flow", "s", took, aim=3)
    whole.close()


SECTIONS = {"start": start, "recovery": recovery}
