#!/usr/bin/env python3
"""Fetches company filings from EDGAR, the public archive of the U.S. Securities and Exchange Commission.

    tools/fetch_filings.py --user-agent "Ann Lee ann@example.org" --ticker COST --form 10-K --year 2023 --out filings/

Writes each filing's main document (HTML or PDF, as filed) to OUT as TICKER_YEAR_FORM.ext and one line about it to
OUT/manifest.jsonl: doc, file, company, cik, ticker, form, period_end, filed, accession, url, bytes, sha256. YEAR is the year
in which the reported period ends. A file whose size and SHA-256 are in the manifest is not fetched again, so a run that was
cut off goes on where it stopped; files appear only when complete.

The SEC asks every client to name itself with a contact address and to stay at or below 10 requests a second; both are
enforced here. Needs only the Python standard library. Exit status: 0 all there, 1 something was not fetched, 2 wrong usage.
"""
import argparse
import hashlib
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DATA_HOST = "https://data.sec.gov"
ARCHIVE_HOST = "https://www.sec.gov"
MAX_RATE = 10.0  # requests a second, the SEC's limit
MAX_ATTEMPTS = 5
MAX_WAIT_S = 60.0
MAX_FILE_BYTES = 256 * 1024 * 1024
TIMEOUT_S = 60
RETRY_STATUS = {408, 429, 500, 502, 503, 504}
USER_AGENT_ENV = "EDGAR_USER_AGENT"
CONTACT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class FetchError(Exception):
    """Something could not be had; the text names it and says what to do."""


class Client:
    """GET with the SEC's manners: a named agent, a bounded rate, bounded retries. `sleep` and `clock` are for tests."""

    def __init__(self, user_agent, rate=8.0, sleep=time.sleep, clock=time.monotonic):
        self.user_agent = user_agent
        self.interval = 1.0 / rate
        self.sleep = sleep
        self.clock = clock
        self.next_at = 0.0
        self.requests = 0

    def wait_turn(self):
        now = self.clock()
        if now < self.next_at:
            self.sleep(self.next_at - now)
        self.next_at = max(self.clock(), self.next_at) + self.interval

    def get(self, url):
        """The whole body of `url`, or FetchError after at most MAX_ATTEMPTS tries."""
        problem = ""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self.wait_turn()
            self.requests += 1
            wait = min(MAX_WAIT_S, 0.5 * 2 ** (attempt - 1))
            try:
                request = urllib.request.Request(url, headers={"User-Agent": self.user_agent, "Accept-Encoding": "identity"})
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
                    body = reply.read(MAX_FILE_BYTES + 1)
                    expected = reply.headers.get("Content-Length")
                if len(body) > MAX_FILE_BYTES:
                    raise FetchError(f"{url}: larger than {MAX_FILE_BYTES} bytes; not a filing that this script takes")
                if expected is None or not expected.isdigit() or int(expected) == len(body):
                    return body
                problem = f"body cut off: {len(body)} of {expected} bytes"
            except urllib.error.HTTPError as e:
                problem = f"HTTP {e.code}"
                if e.code == 403:
                    raise FetchError(f"{url}: HTTP 403; the SEC refuses clients without a proper contact in --user-agent, and those "
                                     "that were too fast: check the address, wait ten minutes") from e
                if e.code not in RETRY_STATUS:
                    raise FetchError(f"{url}: HTTP {e.code}") from e
                after = e.headers.get("Retry-After", "")
                wait = min(MAX_WAIT_S, float(after)) if after.isdigit() else wait
            except http.client.IncompleteRead as e:
                problem = f"body cut off after {len(e.partial)} bytes"
            except (urllib.error.URLError, http.client.HTTPException, OSError) as e:
                problem = str(getattr(e, "reason", e))
            if attempt < MAX_ATTEMPTS:
                self.sleep(wait)
        raise FetchError(f"{url}: {problem}; gave up after {MAX_ATTEMPTS} tries, run again to go on")

    def get_json(self, url):
        body = self.get(url)
        try:
            return json.loads(body)
        except ValueError as e:
            raise FetchError(f"{url}: not JSON ({e}); the archive may have moved, see --base-url") from e


class Edgar:
    """The parts of EDGAR that are needed here: ticker list, list of a company's filings, document addresses."""

    def __init__(self, client, base_url=None):
        self.client = client
        self.data = (base_url or DATA_HOST).rstrip("/")
        self.archive = (base_url or ARCHIVE_HOST).rstrip("/")
        self._tickers = None

    def cik_of(self, ticker):
        if self._tickers is None:
            listing = self.client.get_json(self.archive + "/files/company_tickers.json")
            self._tickers = {str(c["ticker"]).upper(): int(c["cik_str"]) for c in listing.values()}
        if ticker.upper() not in self._tickers:
            raise FetchError(f"ticker {ticker!r} is not in the SEC's list; use --cik")
        return self._tickers[ticker.upper()]

    def filings(self, cik):
        """(company name, tickers, [filing, ...]) with every filing that EDGAR lists, older pages of the list included."""
        top = self.client.get_json(f"{self.data}/submissions/CIK{cik:010d}.json")
        try:
            pages = [top["filings"]["recent"]]
            for older in top["filings"].get("files", []):
                name = str(older["name"])
                if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
                    raise FetchError(f"CIK {cik}: the list of filings names an odd page {name!r}")
                pages.append(self.client.get_json(f"{self.data}/submissions/{name}"))
            out = []
            for page in pages:
                for i, accession in enumerate(page["accessionNumber"]):
                    out.append({"accession": accession, "form": page["form"][i], "filed": page["filingDate"][i],
                                "period_end": page["reportDate"][i], "document": page["primaryDocument"][i]})
            return str(top.get("name", "")), [str(t) for t in top.get("tickers", [])], out
        except (KeyError, IndexError, TypeError) as e:
            raise FetchError(f"CIK {cik}: the list of filings has another form than expected ({e!r})") from e

    def url_of(self, cik, filing):
        folder = filing["accession"].replace("-", "")
        return f"{self.archive}/Archives/edgar/data/{cik}/{folder}/{urllib.parse.quote(filing['document'])}"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_manifest(path):
    if not os.path.exists(path):
        return {}
    out = {}
    with open(path, encoding="utf-8") as lines:
        for n, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                out[entry["accession"]] = entry
            except (ValueError, KeyError, TypeError) as e:
                raise FetchError(f"{path}:{n}: not a manifest line ({e!r}); move the file away to begin anew") from e
    return out


def write_atomically(path, data):
    part = path + ".part"
    with open(part, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, path)


def is_there(folder, entry):
    path = os.path.join(folder, entry["file"])
    if not os.path.isfile(path) or os.path.getsize(path) != entry["bytes"]:
        return False
    with open(path, "rb") as f:
        return sha256(f.read()) == entry["sha256"]


def name_of(label, filing, taken):
    """TICKER_YEAR_FORM.ext; a second filing of the same form and year gets its filing date."""
    extension = os.path.splitext(filing["document"])[1].lower()
    extension = ".html" if extension in (".htm", ".html") else extension
    form = re.sub(r"[^A-Z0-9]", "", filing["form"].upper())
    stem = f"{label}_{filing['period_end'][:4]}_{form}"
    if stem + extension in taken:
        stem += "_" + filing["filed"].replace("-", "")
    if stem + extension in taken:
        stem += "_" + filing["accession"].replace("-", "")
    return stem + extension


def wanted(filings, forms, years):
    for f in filings:
        if f["form"].upper() in forms and f["period_end"][:4] in years:
            yield f


def fetch_company(edgar, cik, ticker, args, manifest, log):
    """Fetches what is missing of one company; returns (there already, fetched, failed)."""
    company, tickers, filings = edgar.filings(cik)
    label = re.sub(r"[^A-Z0-9]", "", (ticker or (tickers[0] if tickers else f"CIK{cik}")).upper())
    found = list(wanted(filings, {f.upper() for f in args.form}, {str(y) for y in args.year}))
    if not found:
        log(f"{label}: no {'/'.join(args.form)} for {', '.join(map(str, args.year))} among {len(filings)} filings")
        return 0, 0, 1
    there = fetched = failed = 0
    for f in found:
        old = manifest.get(f["accession"])
        if old and is_there(args.out, old):
            there += 1
            log(f"{old['file']}: there already")
            continue
        if not re.fullmatch(r"[A-Za-z0-9._-]+\.(?:html?|pdf|txt)", f["document"], re.I):
            failed += 1
            log(f"{label} {f['accession']}: main document {f['document']!r} is not HTML, PDF or text; left out")
            continue
        url = edgar.url_of(cik, f)
        try:
            body = edgar.client.get(url)
        except FetchError as e:
            failed += 1
            log(str(e))
            continue
        name = old["file"] if old else name_of(label, f, {e["file"] for e in manifest.values()})
        write_atomically(os.path.join(args.out, name), body)
        manifest[f["accession"]] = {"doc": os.path.splitext(name)[0], "file": name, "company": company, "cik": cik, "ticker": ticker,
                                    "form": f["form"], "period_end": f["period_end"], "filed": f["filed"],
                                    "accession": f["accession"], "url": url, "bytes": len(body), "sha256": sha256(body)}
        lines = "".join(json.dumps(e, ensure_ascii=False) + "\n" for e in sorted(manifest.values(), key=lambda e: e["file"]))
        write_atomically(os.path.join(args.out, "manifest.jsonl"), lines.encode())
        fetched += 1
        log(f"{name}: {len(body)} bytes")
    return there, fetched, failed


def parse_args(argv):
    p = argparse.ArgumentParser(description="Fetch company filings from the SEC's public EDGAR archive.")
    p.add_argument("--ticker", action="append", default=[], help="ticker symbol; may be given several times")
    p.add_argument("--cik", action="append", default=[], type=int, help="EDGAR's company number; may be given several times")
    p.add_argument("--form", action="append", help="10-K, 10-Q, 8-K ... (default 10-K); may be given several times")
    p.add_argument("--year", action="append", type=int, required=True, help="year in which the period ends; may be given several times")
    p.add_argument("--out", required=True, help="folder of the files and manifest.jsonl")
    p.add_argument("--user-agent", default=os.environ.get(USER_AGENT_ENV, ""),
                   help=f"your name and mail address, which the SEC requires (default: ${USER_AGENT_ENV})")
    p.add_argument("--base-url", help="another server with the same paths, instead of data.sec.gov and www.sec.gov")
    p.add_argument("--rate", type=float, default=8.0, help="requests a second, at most 10 (default 8)")
    args = p.parse_args(argv)
    args.form = args.form or ["10-K"]
    if not CONTACT.search(args.user_agent) or not args.user_agent.isascii() or not args.user_agent.isprintable():
        p.error(f"--user-agent must hold a mail address, such as \"Ann Lee ann@example.org\" (or set {USER_AGENT_ENV}): "
                "the SEC refuses clients that do not say how to reach them")
    if not 0 < args.rate <= MAX_RATE:
        p.error(f"--rate must be above 0 and at most {MAX_RATE:g}, the SEC's limit")
    if not args.ticker and not args.cik:
        p.error("say whose filings: --ticker COST or --cik 909832")
    return args


def main(argv, client=None):
    args = parse_args(argv)

    def log(text):
        print(text, file=sys.stderr)

    failed = fetched = there = 0
    try:
        os.makedirs(args.out, exist_ok=True)
        manifest = read_manifest(os.path.join(args.out, "manifest.jsonl"))
        edgar = Edgar(client or Client(args.user_agent, args.rate), args.base_url)
        for ticker, cik in [(t, None) for t in args.ticker] + [(None, c) for c in args.cik]:
            try:
                cik = cik if cik is not None else edgar.cik_of(ticker)
                counts = fetch_company(edgar, cik, ticker, args, manifest, log)
                there, fetched, failed = (a + b for a, b in zip((there, fetched, failed), counts))
            except FetchError as e:
                failed += 1
                log(f"fetch_filings: {e}")
    except (FetchError, OSError) as e:
        log(f"fetch_filings: {e}")
        return 1
    log(f"{fetched} fetched, {there} there already, {failed} not fetched; {os.path.join(args.out, 'manifest.jsonl')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
