"""What a question's prompt, contract and SQL hold, on one table written out by hand."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import table_question as tq  # noqa: E402

TABLE = {"header": ["city", "score", "points"], "types": ["text", "text", "number"],
         "rows": [["new york", "130 - 100", 12], ["york", "99 - 98", 1200.5], ["o'fallon", None, 7]]}


class TableQuestion(unittest.TestCase):
    def test_cells_are_found_whatever_their_marks_and_the_longest_wins(self):
        self.assertEqual(tq.links("Who beat New-York by 130-100?", TABLE, 0), ["new york"])
        self.assertEqual(tq.links("Who beat New-York by 130-100?", TABLE, 1), ["130 - 100"])
        self.assertEqual(tq.links("yorkshire", TABLE, 0), [])

    def test_numbers_are_read_in_figures_and_words(self):
        self.assertEqual(tq.numbers_of("more than 1,200.5 or seven, not -3 nor 7"), [1200.5, 7, -3])

    def test_a_prompt_has_one_line_a_column(self):
        self.assertEqual(tq.prompt("York with 12?", TABLE), "York with 12?\ncity = york\nscore\npoints # = 12")

    def test_answers_go_to_sql_and_back_with_quotes_kept(self):
        answer = ["MAX", "points", ["city", "=", "o'fallon"], ["points", ">", 7]]
        sql = 'SELECT MAX("points") FROM t WHERE "city" = \'o\'\'fallon\' AND "points" > 7'
        self.assertEqual(tq.to_sql(answer), sql)
        self.assertEqual(tq.answer_of(sql, TABLE), answer)

    def test_a_contract_lets_no_column_through_that_the_table_lacks(self):
        schema = tq.contract("points of York over 7", TABLE)
        self.assertEqual(schema["prefixItems"][1]["enum"], ["city", "points", "score"])
        by_column = {c["prefixItems"][0]["const"]: c["prefixItems"] for c in schema["items"]["anyOf"]}
        self.assertEqual(by_column["city"][2]["enum"], ["york"])
        self.assertEqual(by_column["score"][2]["enum"], ["130 - 100", "99 - 98"])
        self.assertEqual([p["enum"] for p in by_column["points"][1:]], [["=", "<", ">"], [7]])


if __name__ == "__main__":
    unittest.main()
