"""What each call costs, of servers that run at the same time on the same core.

A machine's speed may change by a third within minutes. Servers that are measured one after the
other differ by that too; servers that run at once do not: their ratio wavers by one or two per cent
where rounds waver by ten."""

import contextlib
import json
import pathlib
import statistics
import tempfile
import time

from load import TARGET, fail, free_port, request, running, speech_service, until_ready

# The window is read in so many parts: how far their ratios lie apart says what the figure is worth.
PARTS = 4


def cpu_ns(pid):
    """Nanoseconds on a processor of all threads of a process, by the scheduler's own clock."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def measure(load, place, log, calls, window_s, settled_s, former):
    """Each server's share of a core for a call, by name, part by part."""
    programs = {"bridge": [TARGET / "examples/bridge"], "frontdesk": [TARGET / "frontdesk", "serve"]}
    if former:
        programs["former"] = [former, "serve"]
    with contextlib.ExitStack() as stack:
        speech_url = stack.enter_context(speech_service(place.script, log))
        servers, ports = {}, {}
        for name, command in programs.items():
            ports[name] = free_port()
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            servers[name] = stack.enter_context(
                load.server(speech_url, ports[name], folder, command))
            until_ready(f"http://127.0.0.1:{ports[name]}/readyz", servers[name])
        hang_up_s = load.ramp_s + settled_s + window_s + 1
        dials = {name: stack.enter_context(load.dial(port, calls, load.ramp_s, hang_up_s))
                 for name, port in ports.items()}
        time.sleep(load.ramp_s + settled_s)
        read = lambda: (time.monotonic(), {name: cpu_ns(one.pid) for name, one in servers.items()})
        reads = [read()]
        for _ in range(PARTS):
            time.sleep(window_s / PARTS)
            reads.append(read())
        for name, dial in dials.items():
            output, _ = dial.communicate(timeout=load.ramp_s + window_s + 120)
            if json.loads(output)["totals"]["failed"]:
                fail(f"calls of {name} failed: the figures would say nothing")
    return {name: [(after[name] - before[name]) / 1e7 / (ended - began) / calls
                   for (began, before), (ended, after) in zip(reads, reads[1:])]
            for name in programs}


def run(load_of, place, log, arguments, settled_s):
    """The table of all rounds, for each number of calls."""
    lines = ["| calls of each | server | CPU a call | to the bridge's | parts of the windows |",
             "| --- | --- | --- | --- | --- |"]
    for calls in arguments.calls:
        shares = {}
        for _ in range(arguments.rounds):
            measured = measure(load_of(calls), place, log, calls, arguments.window, settled_s,
                               arguments.former)
            for name, parts in measured.items():
                shares.setdefault(name, []).extend(parts)
        for name, parts in shares.items():
            ratios = [part / bridge for part, bridge in zip(parts, shares["bridge"])]
            lines.append(f"| {calls} | {name} | {statistics.mean(parts):.4f} % "
                         f"| {sum(parts) / sum(shares['bridge']):.3f} "
                         f"| {min(ratios):.2f} to {max(ratios):.2f} |")
    return "\n".join(lines)
