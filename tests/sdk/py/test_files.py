# SPDX-License-Identifier: MIT
import http.client
import io
import os
import urllib.error
import urllib.parse
import urllib.request

from e2b import (
    FilesystemEventType,
    FileType,
    InvalidArgumentException,
    NotFoundException,
    Sandbox,
    SandboxException,
)

from common import WithSandbox


def fetch(url, data=None, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {})) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Files(WithSandbox):
    def test_text_is_written_and_read(self):
        info = self.files.write("greeting.txt", "hällo\n")
        self.assertEqual((info.name, info.path), ("greeting.txt", "/home/user/greeting.txt"))
        self.assertEqual(self.files.read("/home/user/greeting.txt"), "hällo\n")
        self.files.write("greeting.txt", "")
        self.assertEqual(self.files.read("greeting.txt"), "")

    def test_bytes_come_back_as_they_went_whatever_they_come_as(self):
        data = os.urandom(3 << 20)
        self.files.write("bytes", data)
        self.assertEqual(bytes(self.files.read("bytes", format="bytes")), data)
        self.assertEqual(b"".join(self.files.read("bytes", format="stream")), data)
        self.files.write("stream", io.BytesIO(data))
        self.assertEqual(self.files.get_info("stream").size, len(data))

    def test_transfers_may_be_packed(self):
        text = "again and " * 20000
        self.files.write("packed", text, gzip=True)
        self.assertEqual(self.files.read("packed", gzip=True), text)
        self.assertEqual(self.files.get_info("packed").size, len(text))

    def test_many_files_are_written_at_once(self):
        entries = [{"path": f"many/deep/f{i}", "data": f"x{i}"} for i in range(40)]
        infos = self.files.write_files(entries)
        self.assertEqual([one.name for one in infos], [f"f{i}" for i in range(40)])
        self.assertEqual(self.files.read("many/deep/f39"), "x39")

    def test_directories_are_made_listed_to_a_depth_and_removed(self):
        self.assertTrue(self.files.make_dir("tree/a/b"))
        self.assertFalse(self.files.make_dir("tree/a/b"))
        self.files.write("tree/top", "1")
        shallow = [(one.name, one.type) for one in self.files.list("tree")]
        self.assertEqual(shallow, [("a", FileType.DIR), ("top", FileType.FILE)])
        deep = [one.path for one in self.files.list("tree", depth=2)]
        self.assertEqual(deep, [f"/home/user/tree/{name}" for name in ("a", "a/b", "top")])
        self.files.remove("tree")
        self.assertFalse(self.files.exists("tree"))

    def test_an_entry_says_what_it_is(self):
        self.files.write("entry", "1234567")
        self.commands.run("ln -sf entry link; chmod 640 entry")
        info = self.files.get_info("entry")
        self.assertEqual((info.type, info.size, info.mode), (FileType.FILE, 7, 0o640))
        self.assertEqual((info.permissions, info.owner, info.group), ("-rw-r-----", "user", "user"))
        self.assertEqual(self.files.get_info("link").symlink_target, "/home/user/entry")

    def test_files_are_moved(self):
        self.files.write("old", "moved")
        self.assertEqual(self.files.rename("old", "new").path, "/home/user/new")
        self.assertEqual((self.files.exists("old"), self.files.read("new")), (False, "moved"))

    def test_metadata_stays_with_a_file(self):
        info = self.files.write("marked", "x", metadata={"author": "ada"})
        if not info.metadata:
            self.skipTest("this file system has no attributes")
        self.assertEqual(info.metadata, {"author": "ada"})
        self.assertEqual(self.files.get_info("marked").metadata, {"author": "ada"})

    def test_users_have_homes_of_their_own(self):
        self.assertEqual(self.files.write("mine", "root", user="root").path, "/root/mine")
        self.assertEqual(self.files.read("/root/mine", user="root"), "root")

    def test_what_is_not_there_is_an_error_of_its_class(self):
        for action in (self.files.read, self.files.list, self.files.get_info):
            with self.assertRaises(NotFoundException):
                action("nope")
        with self.assertRaises(NotFoundException):
            self.files.rename("nope", "other")
        with self.assertRaises(InvalidArgumentException):
            self.files.read(".")

    def test_a_watch_tells_what_has_happened_when_it_is_asked(self):
        self.files.make_dir("watched/sub")
        watch = self.files.watch_dir("watched", recursive=True)
        self.files.write("watched/sub/a", "1")
        seen = [(one.type, one.name) for one in watch.get_new_events()]
        self.assertEqual(seen[0], (FilesystemEventType.CREATE, "sub/a"))
        self.assertIn((FilesystemEventType.WRITE, "sub/a"), seen)
        self.files.remove("watched/sub/a")
        seen = [(one.type, one.name) for one in watch.get_new_events()]
        self.assertEqual(seen, [(FilesystemEventType.REMOVE, "sub/a")])
        watch.stop()
        with self.assertRaises(SandboxException):
            watch.get_new_events()

    def test_signed_urls_open_one_file_both_ways(self):
        upload = self.sandbox.upload_url("signed", use_signature_expiration=60)
        kind = {"Content-Type": "application/octet-stream"}
        self.assertEqual(fetch(upload, b"by URL", kind)[0], 200)
        self.assertEqual(self.files.read("signed"), "by URL")
        download = self.sandbox.download_url("signed")
        self.assertEqual(fetch(download), (200, b"by URL"))
        self.assertEqual(fetch(download.replace("path=signed", "path=other"))[0], 401)

    def test_a_repository_is_made_filled_and_branched(self):
        git = self.sandbox.git
        git.configure_user("Ada", "ada@example.org")
        git.init("work", initial_branch="main")
        self.files.write("work/readme", "one\n")
        git.add("work")
        git.commit("work", "first")
        git.create_branch("work", "side")
        self.assertEqual(sorted(git.branches("work").branches), ["main", "side"])
        self.assertTrue(git.status("work").is_clean)


class Ports(WithSandbox):
    def ask(self, name):
        """By the name that get_host() gives; the address is the host's."""
        url = urllib.parse.urlparse(os.environ["E2B_SANDBOX_URL"])
        connection = http.client.HTTPConnection(url.hostname, url.port)
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        result = answer.status, answer.read().decode()
        connection.close()
        return result

    def test_a_port_of_the_sandbox_has_a_name(self):
        name = self.sandbox.get_host(8000)
        self.assertTrue(name.startswith(f"8000-{self.sandbox.sandbox_id}."), name)
        self.assertEqual(self.ask(name)[0], 502)
        server = self.commands.run(
            "mkdir -p web && echo inside >web/index.html && exec python3 -u -m http.server 8000 -d web",
            background=True,
            timeout=0,
        )
        self.assertIn("Serving", next(iter(server))[0])
        self.assertEqual(self.ask(name), (200, "inside\n"))
        other = Sandbox.create("base", timeout=60)
        self.assertEqual(self.ask(other.get_host(8000))[0], 502)
        other.kill()
        server.kill()
