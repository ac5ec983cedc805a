"""The rules of the analyzer's data set and of its evaluation."""
import sys
import pathlib
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from analyzer_sql import execute, same_rows, wilson, without_held_out  # noqa: E402


def item(question, table_id):
    return {"question": question, "table_id": table_id}


def table(title="t", rows=()):
    return {"title": title, "header": ["city", "people"], "types": ["text", "number"], "rows": list(rows)}


class AnalyzerSql(unittest.TestCase):
    def test_what_the_held_out_splits_hold_is_left_out_with_the_rule_that_found_it(self):
        tables = {"a": table("A"), "b": table("B"), "a2": table("a"), "c": table("C")}
        train = [item("Who won?", "b"), item("other", "a"), item("third", "a2"), item("In 1999?", "c"), item("fine", "c"), item("Fine!", "c")]
        kept, left_out = without_held_out(train, [item("who WON", "a"), item("in 2004", "a")], tables)
        self.assertEqual([i["question"] for i in kept], ["fine"])
        self.assertEqual(left_out, {"question": 2, "table": 1, "like_table": 1, "twice": 1})

    def test_sql_can_neither_write_nor_run_for_ever_nor_hide_an_error(self):
        t = table(rows=[["oslo", 700], ["bergen", 290]])
        self.assertEqual(execute(t, "SELECT city FROM t WHERE people > 300"), [("oslo",)])
        self.assertIsNone(execute(t, "DELETE FROM t"))
        self.assertIsNone(execute(t, "SELECT nothing FROM t"))
        self.assertIsNone(execute(t, "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r"))

    def test_rows_are_compared_as_multisets_and_numbers_by_value(self):
        self.assertTrue(same_rows([(2.0,), (1,)], [[1], [2]]))
        self.assertFalse(same_rows([(1,), (1,)], [[1]]))

    def test_the_interval_is_wilsons(self):
        # Newcombe (1998), table I: 81 of 263 and 0 of 20.
        self.assertEqual(wilson(81, 263), [0.2553, 0.3662])
        self.assertEqual(wilson(0, 20), [0.0, 0.1611])


if __name__ == "__main__":
    unittest.main()
