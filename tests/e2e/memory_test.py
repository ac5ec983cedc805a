"""consort ingest and search, with the embedding model."""
import json
import unittest

from program import ROOT, ProgramTest

CORPUS = ROOT / "examples/competitive-intelligence/corpus"


class Memory(ProgramTest):
    def test_ingest_reads_once_and_touches_only_what_changed(self):
        notes = self.tmp / "notes"
        self.write("notes/a.md", "# Tea\n\nGreen tea is steamed, black tea is oxidised.\n")
        self.write("notes/b.txt", "Coffee beans are roasted before they are ground.\n")
        first = self.ok("ingest", "drinks", notes, "--json").json()
        self.assertEqual((first["added"], first["issues"]), (2, []))
        again = self.ok("ingest", "drinks", notes, "--json").json()
        self.assertEqual((again["added"], again["updated"], again["unchanged"]), (0, 0, 2))
        self.write("notes/b.txt", "Coffee beans are roasted, then ground, then brewed.\n")
        changed = self.ok("ingest", "drinks", notes, "--json").json()
        self.assertEqual((changed["updated"], changed["unchanged"]), (1, 1))

    def test_search_prints_lines_of_its_schema_best_first(self):
        self.ok("ingest", "companies", CORPUS)
        schema = self.write("search.schema.json", self.ok("schema", "search").out)
        for mode in ("fused", "words", "vectors"):
            answer = self.ok("search", "companies", "How many warehouses does Costco operate?", "-k", "5", "--mode", mode, "--json")
            lines = answer.lines()
            self.assertEqual(len(lines), 5, mode)
            self.assertEqual([l["score"] for l in lines], sorted((l["score"] for l in lines), reverse=True), mode)
            self.assertIn("costco", " ".join(l["doc"] for l in lines).lower(), mode)
            one = self.write("hit.json", answer.out.splitlines()[0])
            self.assertEqual(self.run_program("contract", "accepts", schema, one).code, 0)
        pdf = [l for l in self.ok("search", "companies", "Walmart total revenues fiscal 2023", "-k", "10", "--json").lines()
               if l["doc"].endswith("_DIGEST")]
        self.assertTrue(pdf and all(l["page"] >= 1 for l in pdf))

    def test_batches_answer_line_for_line(self):
        self.write("notes/a.md", "Green tea is steamed.\n")
        self.ok("ingest", "drinks", self.tmp / "notes")
        queries = ["tea", {"query": "steam", "k": 1}, {"nothing": 1}]
        answer = self.run_program("search", "drinks", "--batch", "--mode", "words", stdin="".join(json.dumps(q) + "\n" for q in queries))
        lines = answer.lines()
        self.assertEqual(len(lines), 3)
        self.assertEqual([l.get("query") for l in lines], ["tea", "steam", None])
        self.assertEqual(lines[2]["error"]["number"], 8004)
        self.assertEqual(answer.code, 2)

    def test_files_that_cannot_be_read_are_named_and_do_not_stop_the_others(self):
        folder = self.tmp / "mixed"
        self.write("mixed/good.md", "All is well.\n")
        self.write("mixed/empty.pdf", b"")
        self.write("mixed/broken.pdf", b"%PDF-1.4 and nothing more")
        self.write("mixed/ragged.csv", "a,b\n1,2\n3\n")
        report = self.ok("ingest", "mixed", folder, "--json").json()
        self.assertGreaterEqual(report["added"], 1)
        issues = {i["path"].rsplit("/", 1)[-1]: i["error"]["number"] for i in report["issues"]}
        self.assertEqual(issues.get("empty.pdf"), 5103)
        self.assertEqual(issues.get("broken.pdf"), 5104)
        self.assertEqual(issues.get("ragged.csv"), 5111)

    def test_names_that_are_not_there(self):
        self.fails(2, 8007, "search", "nothing", "words")
        self.fails(2, 1101, "ingest", "m", self.tmp / "no-such-folder")
        self.fails(2, 8003, "search", "examples/competitive-intelligence:corpse", "words")


if __name__ == "__main__":
    unittest.main()
