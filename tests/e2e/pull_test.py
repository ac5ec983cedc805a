"""consort import and pull, against a server on this machine: resumed, verified, retried, refused."""
import hashlib
import http.server
import struct
import threading
import unittest

from program import ProgramTest


def gguf(payload=4096):
    """A whole GGUF file with one key and one tensor of `payload` F32 values."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    out += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    out += text("weight") + struct.pack("<I", 1) + struct.pack("<Q", payload) + struct.pack("<IQ", 0, 0)
    out += b"\0" * (-len(out) % 32)
    return out + struct.pack("<f", 0.5) * payload


FILE = gguf()
DIGEST = hashlib.sha256(FILE).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, **behaviour):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.faults = behaviour.get("faults", [])   # One for each request, then none.
        self.linked = behaviour.get("linked", True)
        self.body = behaviour.get("body", FILE)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.startswith("/u/r/") and not self.path.startswith("/u/r/resolve/main/dir/"):
            if fault == "cut":
                server.faults.insert(0, fault)   # Before the answer: the client asks again at once.
            self.send_response(302)   # As the real one does: the file lies elsewhere, its digest is named here.
            self.send_header("Location", "/blob" + self.path)
            if server.linked:
                self.send_header("X-Linked-Etag", f'"{DIGEST}"')
                self.send_header("X-Linked-Size", str(len(FILE)))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body, begin = server.body, 0
        if self.headers.get("Range"):
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if begin >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        part = body[begin:]
        self.wfile.write(part[:len(part) // 2] if fault == "cut" else part)

    def log_message(self, *_):
        pass


class Pull(ProgramTest):
    def serve(self, **behaviour):
        server = Server(**behaviour)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def pull(self, server, *arguments, ref="hf.co/u/r/m.gguf"):
        return ["pull", ref, "--base-url", server.url, "--retry-wait-ms", "0", *arguments]

    def test_a_pulled_model_is_verified_and_listed(self):
        server = self.serve()
        answer = self.ok(*self.pull(server), "--json").json()
        self.assertEqual((answer["model"], answer["sha256"], answer["bytes"], answer["architecture"]),
                         ("m", DIGEST, len(FILE), "llama"))
        self.assertEqual(server.requests[0][0], "/u/r/resolve/main/m.gguf")
        models = {m["model"]: m for m in self.ok("ls", "models", "--json").lines()}
        self.assertEqual((models["m"]["state"], models["m"]["sha256"]), ("ready", DIGEST))

    def test_a_cut_transfer_goes_on_where_it_stopped(self):
        server = self.serve(faults=["cut"])
        self.assertEqual(self.ok(*self.pull(server), "--json").json()["sha256"], DIGEST)
        self.assertIn(f"bytes={len(FILE) // 2}-", [r for _, r in server.requests])

    def test_a_part_of_an_earlier_pull_is_used(self):
        server = self.serve()
        part = self.home / "models/m/pulled.gguf.part"
        part.parent.mkdir(parents=True)
        part.write_bytes(FILE[:1000])
        self.assertEqual(self.ok(*self.pull(server), "--json").json()["sha256"], DIGEST)
        self.assertTrue(all(r == "bytes=1000-" for _, r in server.requests))
        part.write_bytes(FILE)   # All of it: nothing is left to send.
        self.assertEqual(self.ok(*self.pull(server), "--json").json()["sha256"], DIGEST)

    def test_a_wrong_digest_is_refused_and_leaves_no_model(self):
        server = self.serve(body=FILE[:-1] + b"\1")
        error = self.fails(4, 8103, *self.pull(server))
        self.assertIn(DIGEST, error["message"])
        self.assertEqual(list(self.home.rglob("*.gguf*")), [])
        self.fails(4, 8103, *self.pull(self.serve(linked=False), "--sha256", "0" * 64))

    def test_without_a_digest_from_anyone_nothing_is_accepted(self):
        server = self.serve(linked=False)
        error = self.fails(4, 8103, *self.pull(server))
        self.assertEqual(error["value"], DIGEST)
        self.ok(*self.pull(server, "--sha256", DIGEST))

    def test_failures_of_the_server_are_retried_a_few_times(self):
        server = self.serve(faults=[503, 429, 500])
        self.ok(*self.pull(server))
        server = self.serve(faults=[503] * 50)
        error = self.fails(4, 8101, *self.pull(server))
        self.assertEqual(len(server.requests), 5)
        self.assertIn("503", error["message"])
        server = self.serve(faults=[404])
        self.fails(2, 8101, *self.pull(server))
        self.assertEqual(len(server.requests), 1)

    def test_nobody_listens(self):
        server = self.serve()
        server.shutdown()
        server.server_close()
        self.assertEqual(self.fails(4, 8101, *self.pull(server))["code"], "unavailable")

    def test_what_is_no_model_is_refused_after_the_download(self):
        page = b"<html>sign in</html>"
        server = self.serve(body=page, linked=False)
        self.fails(4, 3102, *self.pull(server, "--sha256", hashlib.sha256(page).hexdigest()))
        self.assertEqual(list(self.home.rglob("*.gguf*")), [])

    def test_malformed_references_are_refused_before_any_request(self):
        server = self.serve()
        for ref in ("m.gguf", "hf.co/u", "hf.co/u/r", "hf.co/u/r:Q4_K_M", "hf.co/u/r/../../x.gguf", "hf.co/u/r/a b.gguf",
                    "ftp.example/u/r/m.gguf"):
            self.fails(2, 8102, *self.pull(server, ref=ref))
        self.assertEqual(server.requests, [])

    def test_another_model_of_the_name_is_kept(self):
        self.ok(*self.pull(self.serve()))
        other = self.write("m.gguf", gguf(64))
        self.fails(2, 1209, "import", other)
        self.ok("import", other, "--name", "m2")


class Import(ProgramTest):
    def test_an_imported_file_is_known_by_its_digest(self):
        path = self.write("My Model.gguf", FILE)
        answer = self.ok("import", path, "--json").json()
        self.assertEqual((answer["model"], answer["sha256"]), ("my-model", DIGEST))
        self.ok("import", path)   # Again: nothing changes.
        self.assertEqual(self.ok("show", "my-model", "--json").json()["sha256"], DIGEST)

    def test_damaged_files_are_refused_and_leave_nothing(self):
        huge = bytearray(FILE)
        huge[8:16] = struct.pack("<Q", 1 << 62)   # Claims 2^62 tensors.
        for name, data in (("empty", b""), ("cut", FILE[:-100]), ("header", FILE[:40]), ("huge", bytes(huge))):
            answer = self.run_program("import", self.write(name + ".gguf", data), "--json")
            self.assertIn(answer.code, (1, 2, 4), name)
            self.assertIn(answer.error()["code"], ("corruption", "resource_exhausted"), name)
        self.assertFalse((self.home / "models").exists())
        self.fails(2, 1101, "import", "no-such-file.gguf")
        self.fails(4, 8103, "import", self.write("x.gguf", FILE), "--sha256", "0" * 64)


if __name__ == "__main__":
    unittest.main()
