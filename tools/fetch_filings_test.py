#!/usr/bin/env python3
"""Tests of fetch_filings.py against a local server with EDGAR's paths. Run: python3 tools/fetch_filings_test.py"""
import contextlib
import hashlib
import http.server
import io
import json
import os
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fetch_filings as ff

AGENT = "Test Person test@example.org"
DOC_2023 = b"<html><body><p>Annual report for the year 2023</p></body></html>" * 50
DOC_2022 = b"<html><body><p>Annual report for the year 2022</p></body></html>" * 40
QUARTER = b"<html><body><p>Quarterly report</p></body></html>"


def listing(rows):
    keys = ("accessionNumber", "form", "filingDate", "reportDate", "primaryDocument")
    return {k: [r[i] for r in rows] for i, k in enumerate(keys)}


class FakeEdgar(http.server.BaseHTTPRequestHandler):
    """Serves self.server.files; self.server.plan[path] is a list of faults to play before the real answer."""

    def do_GET(self):
        s = self.server
        s.seen.append((self.path, self.headers.get("User-Agent")))
        fault = s.plan.get(self.path, []).pop(0) if s.plan.get(self.path) else None
        body = s.files.get(self.path)
        if fault == "cut":
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            return
        if isinstance(fault, int):
            self.send_response(fault)
            if fault == 429:
                self.send_header("Retry-After", "7")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args):
        pass


class FetchFilings(unittest.TestCase):
    K23 = "/Archives/edgar/data/909832/000090983223000042/cost-20230903.htm"
    K22 = "/Archives/edgar/data/909832/000090983222000021/cost-20220828.htm"

    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeEdgar)
        self.server.seen, self.server.plan = [], {}
        recent = listing([("0000909832-23-000042", "10-K", "2023-10-11", "2023-09-03", "cost-20230903.htm"),
                          ("0000909832-23-000030", "10-Q", "2023-06-01", "2023-05-07", "cost-20230507.htm"),
                          ("0000909832-23-000015", "10-Q", "2023-03-09", "2023-02-12", "cost-20230212.htm"),
                          ("0000909832-23-000099", "4", "2023-10-12", "2023-10-10", "xslF345X03/form4.xml")])
        older = listing([("0000909832-22-000021", "10-K", "2022-10-05", "2022-08-28", "cost-20220828.htm")])
        company = {"name": "COSTCO WHOLESALE CORP /NEW", "tickers": ["COST"],
                   "filings": {"recent": recent, "files": [{"name": "CIK0000909832-submissions-001.json"}]}}
        self.server.files = {
            "/files/company_tickers.json": json.dumps({"0": {"cik_str": 909832, "ticker": "COST", "title": "COSTCO"}}).encode(),
            "/submissions/CIK0000909832.json": json.dumps(company).encode(),
            "/submissions/CIK0000909832-submissions-001.json": json.dumps(older).encode(),
            self.K23: DOC_2023, self.K22: DOC_2022,
            "/Archives/edgar/data/909832/000090983223000030/cost-20230507.htm": QUARTER + b"Q3",
            "/Archives/edgar/data/909832/000090983223000015/cost-20230212.htm": QUARTER + b"Q2"}
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(lambda: (self.server.shutdown(), thread.join(), self.server.server_close()))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = os.path.join(folder.name, "filings")
        self.now, self.slept = 0.0, []
        self.client = ff.Client(AGENT, 8.0, sleep=self.sleep, clock=lambda: self.now)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def run_tool(self, *more, agent=AGENT):
        argv = ["--base-url", "http://127.0.0.1:%d" % self.server.server_address[1], "--out", self.out,
                "--user-agent", agent, *more]
        self.said = io.StringIO()
        with contextlib.redirect_stderr(self.said):
            return ff.main(argv, self.client)

    def manifest(self):
        with open(os.path.join(self.out, "manifest.jsonl"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def requests_of(self, path):
        return sum(p == path for p, _ in self.server.seen)

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def test_fetches_a_filing_by_ticker_and_lists_it_with_its_digest(self):
        self.assertEqual(self.run_tool("--ticker", "cost", "--year", "2023"), 0)
        self.assertEqual(self.read("COST_2023_10K.html"), DOC_2023)
        entry, = self.manifest()
        self.assertEqual(entry["sha256"], hashlib.sha256(DOC_2023).hexdigest())
        self.assertEqual((entry["bytes"], entry["period_end"], entry["accession"]), (len(DOC_2023), "2023-09-03", "0000909832-23-000042"))

    def test_finds_older_filings_on_the_further_pages_of_the_list(self):
        self.assertEqual(self.run_tool("--cik", "909832", "--year", "2022"), 0)
        self.assertEqual(self.read("COST_2022_10K.html"), DOC_2022)

    def test_two_filings_of_one_form_and_year_get_different_names(self):
        self.assertEqual(self.run_tool("--ticker", "COST", "--form", "10-Q", "--year", "2023"), 0)
        self.assertEqual({e["file"] for e in self.manifest()}, {"COST_2023_10Q.html", "COST_2023_10Q_20230309.html"})

    def test_every_request_carries_the_contact(self):
        self.run_tool("--ticker", "COST", "--year", "2023")
        self.assertEqual({agent for _, agent in self.server.seen}, {AGENT})

    def test_a_second_run_fetches_no_document_again(self):
        self.run_tool("--ticker", "COST", "--year", "2023", "--year", "2022")
        before = self.manifest()
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023", "--year", "2022"), 0)
        self.assertEqual((self.requests_of(self.K23), self.requests_of(self.K22)), (1, 1))
        self.assertEqual(self.manifest(), before)

    def test_a_changed_file_is_fetched_again(self):
        self.run_tool("--ticker", "COST", "--year", "2023")
        with open(os.path.join(self.out, "COST_2023_10K.html"), "r+b") as f:
            f.write(b"X")
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 0)
        self.assertEqual(self.read("COST_2023_10K.html"), DOC_2023)
        self.assertEqual(len(self.manifest()), 1)

    def test_a_missing_document_is_reported_and_the_others_are_kept(self):
        del self.server.files[self.K22]
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023", "--year", "2022"), 1)
        self.assertIn("HTTP 404", self.said.getvalue())
        self.assertEqual(self.requests_of(self.K22), 1)
        self.assertEqual([e["file"] for e in self.manifest()], ["COST_2023_10K.html"])
        self.server.files[self.K22] = DOC_2022
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023", "--year", "2022"), 0)
        self.assertEqual(self.requests_of(self.K23), 1)

    def test_too_many_requests_waits_as_long_as_the_server_says(self):
        self.server.plan[self.K23] = [429]
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 0)
        self.assertIn(7.0, self.slept)
        self.assertEqual(self.requests_of(self.K23), 2)

    def test_a_body_cut_off_is_fetched_again_and_never_kept(self):
        self.server.plan[self.K23] = ["cut"]
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 0)
        self.assertEqual(self.read("COST_2023_10K.html"), DOC_2023)
        self.assertEqual(self.requests_of(self.K23), 2)

    def test_gives_up_after_a_bounded_number_of_tries_and_leaves_no_file(self):
        self.server.plan[self.K23] = [503] * 100
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 1)
        self.assertEqual(self.requests_of(self.K23), ff.MAX_ATTEMPTS)
        self.assertIn("gave up", self.said.getvalue())
        self.assertEqual(os.listdir(self.out), [])

    def test_always_cut_off_leaves_no_file(self):
        self.server.plan[self.K23] = ["cut"] * 100
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 1)
        self.assertIn("cut off", self.said.getvalue())
        self.assertEqual(os.listdir(self.out), [])

    def test_a_refusal_says_what_to_do_and_is_not_repeated(self):
        self.server.plan["/files/company_tickers.json"] = [403] * 9
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "2023"), 1)
        self.assertIn("contact", self.said.getvalue())
        self.assertEqual(self.requests_of("/files/company_tickers.json"), 1)

    def test_an_unknown_ticker_and_a_year_without_filings_fail_by_name(self):
        self.assertEqual(self.run_tool("--ticker", "NOPE", "--year", "2023"), 1)
        self.assertIn("'NOPE'", self.said.getvalue())
        self.assertEqual(self.run_tool("--ticker", "COST", "--year", "1901"), 1)
        self.assertIn("no 10-K for 1901", self.said.getvalue())

    def test_a_list_that_is_not_json_is_an_error_with_its_address(self):
        self.server.files["/submissions/CIK0000909832.json"] = b"<html>maintenance</html>"
        self.assertEqual(self.run_tool("--cik", "909832", "--year", "2023"), 1)
        self.assertIn("/submissions/CIK0000909832.json: not JSON", self.said.getvalue())

    def test_a_document_name_that_leaves_the_folder_is_not_taken(self):
        self.assertEqual(self.run_tool("--ticker", "COST", "--form", "4", "--year", "2023"), 1)
        self.assertIn("xslF345X03/form4.xml", self.said.getvalue())
        self.assertEqual(os.listdir(self.out), [])

    def test_refuses_to_run_without_a_contact_or_above_the_allowed_rate(self):
        for more, agent in (((), "curl/8"), (("--rate", "11"), AGENT), (("--rate", "0"), AGENT)):
            with self.assertRaises(SystemExit) as stop:
                self.run_tool("--ticker", "COST", "--year", "2023", *more, agent=agent)
            self.assertEqual(stop.exception.code, 2)
        self.assertEqual(self.server.seen, [])

    def test_stays_at_or_below_the_rate(self):
        starts = []
        client = ff.Client(AGENT, 10.0, sleep=self.sleep, clock=lambda: self.now)
        for _ in range(30):
            client.wait_turn()
            starts.append(self.now)
        gaps = [b - a for a, b in zip(starts, starts[1:])]
        self.assertGreaterEqual(min(gaps), 0.1 - 1e-9)


if __name__ == "__main__":
    unittest.main()
