"""Briefs for the planner and the plans that they ask for: how a topic is worded and what each slot of its wording means.

A `Wording` holds topics with slots, names of figures, companies, questions and tables. `compose` fills one and says what it
asks for: a list of (figure, companies, period), the figures that it leaves out, and the companies of each question.
`plan` turns that into the planner's answer, given the menu that the agent made of the brief. Slots of a topic:

    {C} all companies of the brief   {S} figures that are asked of all of them
    {T} other figures: of {D} alone, of all but {E}, or of all in year {Z}
    {X} figures that are not wanted  {Y} a year, of {S}   {P} the year before {Y}, which every figure is compared with anyway

A topic without {S} asks for nothing in particular: then the first three figures of the menu are wanted, less {X}.
Train and dev wordings are in planner_wording.py, those of the test in planner_wording_test_set.py; they share no topic, company,
question or table.
"""
import dataclasses
import json
import re

SYSTEM = "Plan the look-ups"
OPEN_FIGURES = 3     # Wanted where a topic names none.
TOPIC_MAX = 200


@dataclasses.dataclass(frozen=True)
class Wording:
    topics: list       # With slots.
    figures: dict      # Phrase -> the figures that it means.
    companies: list
    questions: list    # With {c}, {d} for companies that it names.
    tables: list       # {"parts": [...], "figures": {phrase: [label]}, "labels": [...]}: parts stand where companies do.


def joined(names, last=" and "):
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + last + names[-1]


def kind_of(topic):
    slots = set(re.findall(r"\{(\w)\}", topic))
    return ("open" if "S" not in slots and "X" not in slots else "open, without" if "S" not in slots else "of one" if "D" in slots
            else "of all but one" if "E" in slots else "two years" if "Z" in slots else "without" if "X" in slots
            else "year" if "Y" in slots else "plain")


def take(rng, figures, n, used):
    """`n` phrases whose figures were not used yet."""
    phrases = []
    for phrase in rng.sample(sorted(figures), len(figures)):
        if len(phrases) == n:
            break
        if not used & set(figures[phrase]):
            used |= set(figures[phrase])
            phrases.append(phrase)
    return phrases


def compose(wording, rng, table=None, light=False):
    """{"brief", "measures"?, "kind", "wants", "open", "without", "asked"}; `light`: fewer companies and questions, for training."""
    topic = rng.choice(wording.topics)
    slots = set(re.findall(r"\{(\w)\}", topic))
    names = table["parts"] if table else wording.companies
    figures = table["figures"] if table else wording.figures
    least = 2 if slots & {"D", "E"} else 1
    n = min(len(names), max(least, rng.choices([1, 2, 3, 4, 5], [30, 45, 20, 4, 1] if light else [20, 40, 25, 10, 5])[0]))
    companies = rng.sample(names, n)
    used, fill, wants = set(), {"C": joined(companies)}, []
    year = rng.randint(2012, 2026)
    fill.update(Y=str(year), P=str(year - 1), Z=str(year + rng.choice([-3, -2, 1, 2])))
    most = max(1, min(3, len(figures) // 2))
    if "S" in slots:
        phrases = take(rng, figures, min(most, rng.choices([1, 2, 3], [45, 40, 15])[0]), used)
        fill["S"] = joined(phrases)
        period = fill["Y"] if "Y" in slots else ""
        wants += [(f, tuple(companies), period) for p in phrases for f in figures[p]]
    if "T" in slots:
        phrases = take(rng, figures, min(most, rng.choices([1, 2], [80, 20])[0]), used)
        if not phrases:
            return None
        fill["T"] = joined(phrases)
        of = companies
        if "D" in slots:
            of = [rng.choice(companies)]
            fill["D"] = of[0]
        if "E" in slots:
            fill["E"] = rng.choice(companies)
            of = [c for c in companies if c != fill["E"]]
        period = fill["Z"] if "Z" in slots else fill["Y"] if "Y" in slots else ""
        wants += [(f, tuple(of), period) for p in phrases for f in figures[p]]
    without = []
    if "X" in slots:
        phrases = take(rng, figures, 1, used)
        if not phrases:
            return None
        fill["X"] = phrases[0]
        without = list(figures[phrases[0]])
    text = re.sub(r"\{(\w)\}", lambda m: fill[m[1]], topic)
    text = text[0].upper() + text[1:]
    asked = []
    for question in rng.sample(wording.questions, rng.choices([0, 1, 2, 3], [60, 27, 10, 3] if light else [40, 30, 20, 10])[0]):
        of = rng.sample(companies, min(len(companies), ("{c}" in question) + ("{d}" in question)))
        if "{d}" in question and len(of) < 2:
            continue
        asked.append((question.format(c=of[0] if of else "", d=of[-1] if of else ""), tuple(c for c in companies if c in of) or tuple(companies)))
    if len(text) > TOPIC_MAX:
        return None
    brief = {"topic": text, "companies": companies}
    if asked:
        brief["questions"] = [q for q, _ in asked]
    item = {"brief": brief, "kind": kind_of(topic), "wants": wants, "open": "S" not in slots, "without": without, "asked": asked}
    if table:
        item["measures"] = {"columns": ["label"], "rows": [[label] for label in table["labels"]]}
    return item


def plan(item, menu):
    """The plan that a brief asks for. A figure that the menu lacks stays in it: no planner can name it then."""
    wants = list(item["wants"])
    if item["open"]:
        rest = [f for f in menu["figures"] if f not in item["without"]][:OPEN_FIGURES]
        wants = [(f, tuple(item["brief"]["companies"]), "") for f in rest]
    place = {f: i for i, f in enumerate(menu["figures"])}
    wants.sort(key=lambda w: (place.get(w[0], len(place)), w[0]))
    steps = [{"tool": "figures", "subject": f, "companies": list(of), **({"period": period} if period else {})} for f, of, period in wants]
    steps += [{"tool": "search", "subject": q, "companies": list(of)} for q, of in item["asked"]]
    return {"steps": steps}


def prompt(brief, menu):
    """As examples/competitive-intelligence/prompts/planner.md.j2 renders it."""
    return (f"Topic: {brief['topic']}\nCompanies: {', '.join(menu['companies'])}\nFigures: {'; '.join(menu['figures'])}\n"
            f"Questions: {' | '.join(menu['questions'])}")


def contract(menu):
    """The planner's contract narrowed to a menu, as the agent file says."""
    step = {"type": "object", "properties": {
        "tool": {"enum": ["figures", "search"]}, "subject": {"enum": menu["subjects"]},
        "companies": {"type": "array", "items": {"enum": menu["companies"]}, "minItems": 1, "maxItems": 6},
        "period": {"enum": menu["periods"]}}, "required": ["tool", "subject", "companies"], "additionalProperties": False}
    return {"type": "object", "properties": {"steps": {"type": "array", "items": step, "minItems": 1, "maxItems": 16}},
            "required": ["steps"], "additionalProperties": False}


def write(answer):
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def same_plan(found, wanted):
    """Exactly the same look-ups: tool, subject, companies and period of each; their order and splits are free."""
    def lookups(answer):
        return {(s["tool"], s["subject"], c, "" if s.get("period", "latest") == "latest" or s["tool"] == "search" else s["period"])
                for s in answer["steps"] for c in s["companies"]}
    return lookups(found) == lookups(wanted)


def key(item):
    """A brief's wording: its topic with companies and years set aside."""
    text = item["brief"]["topic"].lower()
    for name in sorted(item["brief"]["companies"], key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name.lower())}(?!\w)", "c", text)
    return " ".join(re.sub(r"\d+", "0", re.sub(r"[^\w\s]", " ", text)).split())


def near(a, b):
    """Whether two keys share most of their pairs of words."""
    def pairs(text):
        words = text.split()
        return set(zip(words, words[1:])) or {tuple(words)}
    a, b = pairs(a), pairs(b)
    return len(a & b) >= 0.8 * len(a | b)
