"""How long searches take one after another with nothing else running, seen by their client."""

import json

from load import PASSAGES, ROOT, TABLE, TURNS, psql, request, speech_service

# Searches that are timed, and those before them that fill the caches.
SEARCHES, SEARCHES_BEFORE, PASSES = 500, 50, 3
COUNT = SEARCHES + SEARCHES_BEFORE
CLUSTERED = "zz_b0000000-0000-4000-8000-000000000003"


def percentile(values, share):
    """The least value that this share of them, per cent, does not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]


def timed(database, folder, table, *preparing):
    """What searches of an agent's table take, milliseconds, a list for each pass: of the questions
    in `asked`, a table that `preparing` makes, through the agent's own function."""
    searches = folder / "searches.sql"
    order = [*range(COUNT), *(list(range(SEARCHES_BEFORE, COUNT)) * (PASSES - 1))]
    searches.write_text("".join(f"execute search({n});\n" for n in order))
    # The embeddings are in the database already: the server sends its own in binary, and a
    # client that has them read as text would measure that.
    spoken = psql(database, *preparing,
                  "--command", "prepare search(int) as select s.id from "
                  f'asked, "{table}_search"(e, 4) s where n = $1',
                  "--command", "\\timing on", "--file", searches)
    took = [float(line.split()[1]) for line in spoken.splitlines() if line.startswith("Time:")]
    took = took[SEARCHES_BEFORE - len(order):]
    return [took[n * SEARCHES:(n + 1) * SEARCHES] for n in range(PASSES)]


def among_clustered(place, folder):
    """Among 10,000 clustered vectors, as passages of a real embedding model are."""
    return timed(place.database, folder, CLUSTERED,
                 f"--set=passages={CLUSTERED}", f"--set=index={CLUSTERED}_embedding_idx",
                 f"--set=questions={COUNT}", "--file", ROOT / "benches/clustered.sql")


def among_texts(place, folder, log):
    """The questions of the calls among the passages of the calls."""
    script = json.loads(place.script.read_text())
    asked = [turn["heard"].replace("{session}", str(session))
             for session in range(-(-COUNT // TURNS)) for turn in script["turns"]][:COUNT]
    path = folder / "asked"
    with path.open("w") as file, speech_service(place.script, log) as speech_url:
        for n, question in enumerate(asked):
            answer = json.loads(request(speech_url + "/embeddings", "POST", {
                "model": "text-embedding-3-small", "input": question}))
            vector = ",".join(map(str, answer["data"][0]["embedding"]))
            file.write(f"{n}\t[{vector}]\n")
    path.chmod(0o644)
    return timed(place.database, folder, TABLE,
                 "--command", "create temp table asked (n int, e vector(1536))",
                 "--command", f"\\copy asked from {path}")


def told(took):
    return f"{percentile(took, 50):.1f} | {percentile(took, 99):.1f} | {max(took):.1f} ms"


def row(passages, searched_ms):
    every = [took for one_pass in searched_ms for took in one_pass]
    # What the machine does beside hits a search now and then, and not the same one each time.
    best = [min(tries) for tries in zip(*searched_ms)]
    return f"| {passages} | {told(every)} | {told(best)} |"


def table(clustered_ms, texts_ms):
    """What `among_clustered` and `among_texts` measured."""
    return "\n".join([
        f"\n{SEARCHES} searches one after another with nothing else running, {PASSES} times, seen by "
        f"their client, among {PASSAGES:,} passages each; on the right, of each search the fastest. "
        "In the calls PostgreSQL shares a core with the load tools, at a lower priority.\n",
        "| passages | p50 | p99 | most | p50, fastest | p99, fastest | most, fastest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        row("200 clusters and noise", clustered_ms),
        row("hashed texts, those of the calls", texts_ms)]) + "\n"
