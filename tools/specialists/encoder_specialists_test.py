"""Rows and scores of the router and the retriever, on items written out by hand."""
import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import intent_router as router  # noqa: E402
import table_retriever as retriever  # noqa: E402

TABLES = [{"title": "cup winners", "header": ["year", "club"], "rows": [["1998", "rovers"], ["1999", "united"]]},
          {"title": "cup hosts", "header": ["year", "city"], "rows": [["1998", "oslo"]]},
          {"title": "rivers", "header": ["name", "length"], "rows": [["glomma", "621 km"]]}]


class Router(unittest.TestCase):
    def test_texts_that_are_held_out_whatever_their_marks_and_figures_are_left_out(self):
        train = [{"text": "Pay 20 dollars, now!"}, {"text": "what is my balance"}, {"text": "What is my balance?"}]
        kept, left_out = router.without_held_out(train, [{"text": "pay 7 dollars now"}])
        self.assertEqual([i["text"] for i in kept], ["what is my balance"])
        self.assertEqual(left_out, {"held_out": 1, "twice": 1})

    def test_an_in_scope_answer_of_none_is_wrong_and_recall_counts_outsiders_alone(self):
        answers = [{"label": "a", "best": "a"}, {"label": None, "best": "a"}, {"label": "b", "best": "b"}, {"label": None, "best": "b"}]
        found = router.measure(["a", "a", None, None], answers)
        self.assertEqual((found["accuracy"], found["accuracy_without_threshold"], found["recall"]), (0.5, 1.0, 0.5))

    def test_wilsons_interval_of_8_of_10(self):
        self.assertEqual(router.wilson(8, 10), [0.4902, 0.9433])  # As published: 0.490, 0.943.


class Retriever(unittest.TestCase):
    def test_a_tables_text_is_title_columns_and_first_cells(self):
        self.assertEqual(retriever.table_text(TABLES[0]), "cup winners | year , club | 1998 , rovers ; 1999 , united ;")

    def test_words_rank_by_bm25(self):
        scores = retriever.Words(TABLES).scores("which club in 1998")
        self.assertEqual(set(scores), {0, 1})
        # By hand: N 3, lengths 8, 6, 6, mean 20/3; "club" in one table, "1998" in two.
        norm = [1 + 0.9 * (0.6 + 0.4 * n / (20 / 3)) for n in (8, 6)]
        idf = [math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)]
        self.assertAlmostEqual(scores[0], 1.9 * (idf[0] + idf[1]) / norm[0])
        self.assertAlmostEqual(scores[1], 1.9 * idf[1] / norm[1])

    def test_gains_fall_with_the_logarithm_of_the_place(self):
        self.assertEqual(retriever.ndcg([5, 3], {5}), 1)
        self.assertAlmostEqual(retriever.ndcg([5, 3], {3}), 1 / math.log2(3))
        self.assertAlmostEqual(retriever.ndcg([5, 3, 4], {5, 4}), (1 + 0.5) / (1 + 1 / math.log2(3)))
        self.assertEqual(retriever.ndcg([1], {2}), 0)
        self.assertEqual(retriever.reciprocal([1, 2, 3], {3}), 1 / 3)
        self.assertEqual(retriever.reciprocal(list(range(11)), {10}), 0)


if __name__ == "__main__":
    unittest.main()
