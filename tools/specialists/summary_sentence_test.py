"""Sentences that say their facts have no fault, and each kind of fault is found."""
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import summary_facts as sf  # noqa: E402

FACTS = "Harbour Lines | net tolls | the fiscal year ended June 30, 2023 | $605.9 million | up 6.7%"


class Sentences(unittest.TestCase):
    def test_every_wording_says_its_facts_and_nothing_else(self):
        rng = random.Random(1)
        for facts in (FACTS, FACTS.replace("up", "down"), FACTS.rsplit(" | ", 1)[0], "Pier | stores | as of May 30, 2019 | 1,204 | down 3.0%"):
            texts = {sf.sentence(facts, rng) for _ in range(300)}
            self.assertGreater(len(texts), 12)
            for text in texts:
                self.assertEqual(sf.faults(text, facts), [], text)

    def test_what_is_wrong_left_out_or_added_is_named(self):
        good = "In the fiscal year ended June 30, 2023, Harbour Lines' net tolls rose by 6.7% to $605.9 million."
        for change, fault in ((("rose", "fell"), "direction"), (("6.7%", "6.8%"), "no percent"), (("$605.9 million", "$605.9 billion"), "no amount"),
                              (("2023", "2022"), "no period"), (("Harbour Lines'", "Pier's"), "no company"), (("net tolls", "tolls"), "no label"),
                              (("million.", "million in 12 ports."), "another number"), (("million.", "million thanks to demand."), "added: thanks demand")):
            self.assertIn(fault, sf.faults(good.replace(*change), FACTS), change)
        self.assertIn("a change that is not given", sf.faults(good.replace("rose by 6.7% to", "rose to"), FACTS.rsplit(" | ", 1)[0]))

    def test_the_tests_lines_of_tables_are_not_taught(self):
        self.assertFalse(set(map(str.lower, sf.LABELS["train"])) & set(map(str.lower, sf.LABELS["test"])))


if __name__ == "__main__":
    unittest.main()
