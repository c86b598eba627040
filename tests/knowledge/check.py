#!/usr/bin/env python3
"""Checks the evaluation set: labels, counts, and how many words questions share with their passages.

Python 3 alone; run it anywhere. It ends with an AssertionError at the first thing that is wrong.
"""

import csv
import html.parser
import json
import pathlib
import re
import statistics
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
BUSINESSES = ("dental", "garage", "hotel")
GERMAN = {"speisekarte.html", "sauna-und-wellness.md", "tagungen-und-feiern.md"}
SHARES = {"paraphrased": 0.60, "exact": 0.25, "follow-up": 0.15}
ROWS = 6  # how many rows of a CSV are counted as a passage
BLOCKS = {"p", "td", "th", "li", "h1", "h2", "h3", "title", "tr", "section", "table", "ul", "ol"}
STOP = set(
    """a an and any are at be been but by can could did do does for from get got had has have how i i'm if
    in is it it's its just like me my no not of on one or our so some that that's the them there there's
    they this to um uh up us was we what what's when which who will with would you your
    aber alle als am an auch auf aus bei bis da das dass dem den der des die doch ein eine einen einer es
    für gibt gibts haben hat ich ihnen im in ist ja kann man mir mit nicht noch nur oder sie sind so um und
    uns von vor war was wann wie wir zu zum zur ähm""".split()
)


def folded(text):
    return re.sub(r"\s+", " ", text).strip()


class Page(html.parser.HTMLParser):
    """The text of a page, in sections (from one h2 to the next) of blocks (paragraphs and cells)."""

    def __init__(self):
        super().__init__()
        self.sections = [[""]]
        self.hidden = 0

    def handle_starttag(self, tag, attrs):
        if tag in ("style", "script"):
            self.hidden += 1
        if tag == "h2":
            self.sections.append([])
        if tag in BLOCKS:
            self.sections[-1].append("")

    def handle_endtag(self, tag):
        if tag in ("style", "script"):
            self.hidden -= 1
        if tag in BLOCKS:
            self.sections[-1].append("")

    def handle_data(self, data):
        if not self.hidden:
            self.sections[-1][-1] += data


def sections(path):
    """Lists of blocks; a quote is within one block, and a section is about a passage."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        page = Page()
        page.feed(text)
        found = page.sections
    elif path.suffix == ".csv":
        head, *rows = csv.reader(text.splitlines())
        assert all(len(row) == len(head) for row in rows), f"{path}: uneven rows"
        found = [sum(rows[i : i + ROWS], []) for i in range(0, len(rows), ROWS)]
    elif path.suffix == ".md":
        found = []
        for part in re.split(r"(?m)^(?=## )", text):
            blocks = []
            for line in part.splitlines():
                blocks += line.strip().strip("|").split("|") if line.startswith("|") else [line]
            found.append(blocks)
    else:
        found = [part.splitlines() for part in re.split(r"\n\s*\n", text)]
    found = [[folded(block) for block in part if folded(block)] for part in found]
    return [part for part in found if part]


def words(text):
    return {w for w in re.findall(r"[\w'-]+", text.lower().replace("’", "'")) if w not in STOP}


def plain(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def main():
    documents = {}
    for business in BUSINESSES:
        for path in sorted((HERE / "documents" / business).iterdir()):
            documents[business, path.name] = sections(path)
    everything = " ".join(b for parts in documents.values() for part in parts for b in part)

    print("documents")
    for business in BUSINESSES:
        own = [(name, parts) for (b, name), parts in documents.items() if b == business]
        sizes = [len(" ".join(part)) for _, parts in own for part in parts]
        count = sum(len(" ".join(part)) >= 120 for _, parts in own for part in parts)
        german = sum(name in GERMAN for name, _ in own)
        assert 5 <= len(own) <= 8
        print(
            f"  {business}: {len(own)} documents ({german} German), {count} sections, {sum(sizes)} characters;"
            f" median section {statistics.median(sizes):.0f}, longest {max(sizes)}"
        )
        assert 60 <= count <= 95, business
    for number in re.findall(r"\+?\d[\d ]{8,}\d", everything):
        assert re.fullmatch(r"\+1 555 01\d\d|(\+49 30|030) 23125 \d{3}", number), f"number {number!r}"
    for domain in re.findall(r"@([\w.-]*\w)", everything) + re.findall(r"\b([\w-]+\.(?:com|org|net|de))\b", everything):
        assert domain.endswith("example.com"), domain

    questions = json.loads((HERE / "questions.json").read_text(encoding="utf-8"))
    nothing = json.loads((HERE / "unanswerable.json").read_text(encoding="utf-8"))
    ids = [q["id"] for q in questions + nothing]
    assert len(ids) == len(set(ids)), "ids are not unique"
    spoken = [plain(q.get("before", "") + " " + q["question"]) for q in questions + nothing]
    assert len(spoken) == len(set(spoken)), "a question is there twice"
    text = plain(everything)
    for q in questions + nothing:
        assert f" {plain(q['question'])} " not in f" {text} ", f"{q['id']}: verbatim in a document"

    shared = {kind: [] for kind in SHARES}
    used, passages = Counter(), set()
    for q in questions:
        name = q["id"]
        assert q["business"] in BUSINESSES and q["lang"] in ("en", "de") and q["kind"] in SHARES, name
        assert ("quote" in q) != ("quotes" in q), f"{name}: one of quote and quotes"
        assert ("before" in q) == (q["kind"] == "follow-up"), f"{name}: before"
        is_cross = (q["document"] in GERMAN) != (q["lang"] == "de")
        assert q.get("cross", False) == is_cross, f"{name}: cross"
        labels = [(q["document"], quote) for quote in q.get("quotes") or [q["quote"]]]
        labels += [(also["document"], also["quote"]) for also in q.get("also", [])]
        answers = set()
        for document, quote in labels:
            assert 20 <= len(quote) <= 120, f"{name}: {len(quote)} characters"
            assert quote == folded(quote) and not re.search(r"[|*#<>]", quote), f"{name}: {quote!r}"
            hits = []
            for (business, other), parts in documents.items():
                if business != q["business"]:
                    continue
                for number, part in enumerate(parts):
                    n = sum(block.count(quote) for block in part)
                    hits += [(other, number)] * n
            assert len(hits) == 1 and hits[0][0] == document, f"{name}: {quote!r} is in {hits}"
            answers |= words(" ".join(documents[q["business"], document][hits[0][1]]))
            passages.add((q["business"], *hits[0]))
        used[q["business"], q["document"]] += 1
        asked = words(q["question"])
        if not is_cross and asked:
            shared[q["kind"]].append((len(asked & answers) / len(asked), name, sorted(asked & answers)))

    print("questions")
    for business in BUSINESSES:
        own = [q for q in questions if q["business"] == business]
        kinds, langs = Counter(q["kind"] for q in own), Counter(q["lang"] for q in own)
        print(f"  {business}: {len(own)}, {dict(kinds)}, {dict(langs)}, cross {sum('cross' in q for q in own)}")
        assert 58 <= len(own) <= 70, business
        for kind, share in SHARES.items():
            assert abs(kinds[kind] / len(own) - share) <= 0.04, f"{business}: {kind} {kinds[kind] / len(own):.2f}"
    german = sum(q["lang"] == "de" for q in questions)
    assert german >= 40 and all(q["business"] == "hotel" for q in questions if q["lang"] == "de")
    assert len(questions) >= 180
    kinds = Counter(q["kind"] for q in questions)
    print(f"  all: {len(questions)}, {dict(kinds)}, German {german}, cross {sum('cross' in q for q in questions)}")
    print(f"  cross: {dict(Counter(q['lang'] + ' asked' for q in questions if 'cross' in q))}")
    print(f"  more than one right passage: {sum('quotes' in q or 'also' in q for q in questions)},"
          f" misheard names: {sum('misheard' in q for q in questions)}")
    print(f"  {len(passages)} sections are the right one of some question")
    for key in documents:
        print(f"    {key[0]}/{key[1]}: {used[key]}")
        assert used[key], f"no question about {key}"

    print("words of a question (without the commonest) that are in its passage, same language")
    for kind, rows in shared.items():
        print(f"  {kind}: mean {statistics.mean(r[0] for r in rows):.2f},"
              f" none at all {sum(r[0] == 0 for r in rows)} of {len(rows)}")
    for share, name, which in sorted(shared["paraphrased"], reverse=True)[:8]:
        print(f"    most shared, paraphrased: {name} {share:.2f} {' '.join(which)}")

    assert len(nothing) == 45
    for business in BUSINESSES:
        assert sum(q["business"] == business for q in nothing) == 15
    print(f"unanswerable: {len(nothing)}, {dict(Counter(q['business'] + ' ' + q['lang'] for q in nothing))}")
    print("all is well")


if __name__ == "__main__":
    main()
