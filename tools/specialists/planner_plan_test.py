"""What a brief asks for, and what the rows of the planner may hold."""
import pathlib
import random
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import planner_briefs as pb  # noqa: E402
from planner_wording import DEV, TRAIN  # noqa: E402
from planner_wording_test_set import TEST  # noqa: E402

FIGURES = {"sales": ("revenue",), "profit": ("operating income", "net income"), "fees": ("membership fees",)}
MENU = {"figures": ["net income", "revenue", "operating income", "membership fees"], "questions": [], "companies": ["A", "B"]}


def composed(topic):
    wording = pb.Wording([topic], FIGURES, ["A", "B"], ["Who leads {c}?", "What next?", "Why?"], [])
    rng = random.Random(1)
    return next(item for _ in range(200) if (item := pb.compose(wording, rng)))


class Briefs(unittest.TestCase):
    def test_what_is_asked_of_one_is_asked_of_no_other(self):
        item = composed("{S} of {C}, and {T} of {D} alone")
        topic = item["brief"]["topic"]
        one = re.search(r"and (\w+) of ([AB]) alone", topic)
        for step in pb.plan(item, MENU)["steps"]:
            if step["subject"] in FIGURES[one[1]]:
                self.assertEqual(step["companies"], [one[2]], topic)

    def test_open_topics_want_the_first_figures_of_the_menu_less_those_that_are_not_wanted(self):
        item = composed("About {C}, no {X}")
        steps = pb.plan(item, MENU)["steps"]
        rest = [f for f in MENU["figures"] if f not in item["without"]][:3]
        self.assertEqual([s["subject"] for s in steps if s["tool"] == "figures"], rest)

    def test_a_year_belongs_to_what_it_stands_with(self):
        item = composed("{S} of {C} in {Y}, and {T} in {Z}")
        years = re.findall(r"20\d\d", item["brief"]["topic"])
        self.assertEqual({p for _, _, p in item["wants"]}, set(years))

    def test_plans_are_the_same_whatever_their_order_and_split(self):
        both = {"steps": [{"tool": "figures", "subject": "revenue", "companies": ["A", "B"]}, {"tool": "search", "subject": "Why?", "companies": ["A"]}]}
        split = {"steps": [{"tool": "search", "subject": "Why?", "companies": ["A"], "period": "2020"},
                           {"tool": "figures", "subject": "revenue", "companies": ["B"], "period": "latest"},
                           {"tool": "figures", "subject": "revenue", "companies": ["A"]}]}
        self.assertTrue(pb.same_plan(both, split))
        split["steps"][1]["period"] = "2020"
        self.assertFalse(pb.same_plan(both, split))

    def test_the_wordings_share_no_topic_company_question_or_table(self):
        taught = TRAIN.topics + DEV.topics, TRAIN.companies + DEV.companies, TRAIN.questions + DEV.questions
        for known, held_out in zip(taught, (TEST.topics, TEST.companies, TEST.questions)):
            self.assertFalse(set(known) & set(held_out))
        self.assertFalse({str(t["labels"]) for t in TRAIN.tables + DEV.tables} & {str(t["labels"]) for t in TEST.tables})
        self.assertFalse(set(TRAIN.companies) & set(DEV.companies) or set(TRAIN.topics) & set(DEV.topics))

    def test_nearness_is_of_wording_not_of_names_and_years(self):
        def brief(topic, *companies):
            return pb.key({"brief": {"topic": topic, "companies": list(companies)}})
        self.assertTrue(pb.near(brief("Sales of A in 2020", "A"), brief("Sales of Bigger Ltd in 1999", "Bigger Ltd")))
        self.assertFalse(pb.near(brief("Sales of A in 2020", "A"), brief("We need the sales of A", "A")))


if __name__ == "__main__":
    unittest.main()
