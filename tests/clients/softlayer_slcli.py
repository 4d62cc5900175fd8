"""Drives keytower with `slcli`, the unmodified program of the PyPI package SoftLayer, as a person types it.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root. Nothing of the home of whoever
runs this is read or written.
"""

import configparser
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from softlayer_support import KEY, PASSWORD, ROOT_PASSWORD, USER, Face, Rest, XmlRpc

SLCLI = os.path.join(os.path.dirname(sys.executable), "slcli")
PATIENCE = 60


class Home:
    """A home, and a configuration file in it."""

    def __init__(self, test, **settings):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file = os.path.join(self.folder, "configuration")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": self.folder, "XDG_CONFIG_HOME": self.folder, "XDG_CACHE_HOME": self.folder,
            "LANG": "C.UTF-8", "NO_PROXY": "*", "COLUMNS": "200",
        }
        if settings:
            parser = configparser.RawConfigParser()
            parser["softlayer"] = {"timeout": "0", "theme": "dark", **settings}
            with open(self.file, "w", encoding="utf-8") as file:
                parser.write(file)

    def settings(self):
        parser = configparser.RawConfigParser()
        parser.read(self.file)
        return dict(parser["softlayer"])

    def run(self, *arguments, form="json", more=None):
        # Without a terminal, so that nothing asks the one of whoever runs this.
        return subprocess.run(
            [SLCLI, "--format", form, "-C", self.file, *arguments], env={**self.environment, **(more or {})}, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, start_new_session=True, check=False,
        )

    def converse(self, *arguments, answers):
        """At a terminal: each question is waited for and answered. What stood on the screen, and the exit code."""
        child, terminal = pty.fork()
        if child == 0:
            os.execve(SLCLI, [SLCLI, "-C", self.file, *arguments], self.environment)
        screen, seen, waiting, end = "", 0, list(answers), time.monotonic() + PATIENCE
        try:
            while True:
                if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
                    os.kill(child, signal.SIGKILL)
                    raise AssertionError(f"no further question after:\n{screen}")
                try:
                    read = os.read(terminal, 4096)
                except OSError:  # The terminal is gone with its last user.
                    break
                screen += read.decode(errors="replace")
                if waiting and waiting[0][0] in screen[seen:] and screen.endswith(": "):
                    seen = len(screen)
                    os.write(terminal, (waiting.pop(0)[1] + "\n").encode())
        finally:
            os.close(terminal)
            _, status = os.waitpid(child, 0)
        if waiting:
            raise AssertionError(f"not asked: {[question for question, _ in waiting]} in\n{screen}")
        return screen, os.waitstatus_to_exitcode(status)


def documents(text):
    """What was printed one behind the other as JSON."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


class Typed:
    """Somebody with a key of their own, and a home that knows it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls.make(stem="boss", permissions=["USER_MANAGE", "TICKET_VIEW", "TICKET_EDIT"])
        cls.own = cls.log_in(cls.boss["username"])
        cls.key = cls.add_key(cls.own, cls.boss)

    def home(self, username=None, key=None):
        return Home(self, username=username or self.boss["username"], api_key=key or self.key, endpoint_url=self.endpoint)

    def text(self, *arguments, home=None, **options):
        """What a command printed that must succeed."""
        done = (home or self.home()).run(*arguments, **options)
        self.assertEqual(done.returncode, 0, done)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        return done.stdout

    def printed(self, *arguments, **options):
        return documents(self.text(*arguments, **options))

    def fails(self, *arguments, home=None, **options):
        """What a command printed that must not succeed, and must say why in one line."""
        done = (home or self.home()).run(*arguments, **options)
        self.assertEqual(done.returncode, 1, done)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        return done.stdout.strip()

    def child(self, stem="child", **more):
        return self.make(self.own, stem, **more)

    def test_user_list(self):
        child = self.child()
        self.add_key(self.own, child)
        (rows,) = self.printed("user", "list")
        mine = {row["id"]: row for row in rows}
        self.assertEqual(sorted(mine[self.boss["id"]]), sorted(["id", "username", "email", "displayName", "2FA", "classicAPIKey", "vpn"]))
        for user in (self.boss, child):
            row = mine[user["id"]]
            self.assertEqual((row["username"], row["email"], row["2FA"], row["classicAPIKey"], row["vpn"]), (user["username"], user["email"], None, "yes", None))
        self.assertIsNone(mine[self.root_id]["classicAPIKey"])
        (rows,) = self.printed("user", "list", "--columns", "id,status,hardwareCount,virtualGuestCount")
        self.assertEqual({row["status"] for row in rows if row["id"] in (child["id"], self.boss["id"])}, {"Active"})
        table = self.text("user", "list", form="table")
        self.assertIn(child["username"], table)

    def test_user_apikey(self):
        child = self.child()
        name, client = child["username"], self.with_key
        made = re.compile(r"^Successfully added\. New API Authentication Key: ([a-z0-9]{64})$", re.M)
        first = made.search(self.text("user", "apikey", name, "--add"))[1]
        self.works(client(name, first), name)
        self.assertIn("Each user can only have a single API key.", self.fails("user", "apikey", name, "--add"))
        refreshed = self.text("user", "apikey", str(child["id"]), "--refresh")
        self.assertIn("Successfully removed API authentication key", refreshed)
        second = made.search(refreshed)[1]
        self.dead_key(name, first)
        self.works(client(name, second), name)
        self.assertEqual(self.text("user", "apikey", name, "--remove").strip(), "Successfully removed API authentication key")
        self.dead_key(name, second)
        # Nothing is left to be removed, and the command says so all the same.
        self.text("user", "apikey", name, "--remove")
        third = made.search(self.text("user", "apikey", name, "--refresh"))[1]
        self.works(client(name, third), name)

    def test_a_wrong_key_is_told_as_the_command_tells_it(self):
        for home in (self.home(key="0" * 64), self.home(username="nobody"), self.home(username="apikey", key="0" * 64)):
            told = self.fails("user", "list", home=home)
            if self.is_rest:
                self.assertIn("Access Denied.", told)
            else:
                self.assertEqual(told, "Authentication Failed: To update your credentials, use 'slcli config setup'")

    def test_user_create_edit_and_delete(self):
        name = self.name("typed")
        template = json.dumps({"firstName": "Typed", "lastName": "O'Neil & <Söhne>", "city": "Malmö"})
        (rows,) = self.printed("-y", "user", "create", name, "-e", f"{name}@example.com", "-p", "generate", "-t", template)
        password = rows[0]["Password"]
        self.assertEqual(rows, [{"Username": name, "Email": f"{name}@example.com", "Password": password}])
        self.assertEqual(len(password), 23)
        own = self.log_in(name, password)
        me = self.me(own, mask="mask[firstName,lastName,city,parentId]")
        self.assertEqual(me, {"firstName": "Typed", "lastName": "O'Neil & <Söhne>", "city": "Malmö", "parentId": self.boss["id"]})
        self.fails("-y", "user", "create", name, "-e", f"{name}@example.com", "-p", "generate")
        edited = self.text("user", "edit-details", name, "-t", json.dumps({"firstName": "Ty", "companyName": "Söhne"}))
        self.assertEqual(edited.strip(), f"{name} updated successfully")
        self.assertEqual(self.me(own, mask="mask[firstName,companyName,city]"), {"firstName": "Ty", "companyName": "Söhne", "city": "Malmö"})
        self.assertEqual(self.text("user", "delete", name).strip(), f"{name} deleted successfully")
        self.no_such_token(self.me, own)
        (detail,) = self.printed("user", "detail", name)
        self.assertEqual(detail["Status"], "Cancel Pending")
        self.assertIn("Unable to find user id for nobody", self.fails("user", "delete", "nobody"))


class Commands(Typed, XmlRpc, Face):
    def test_the_environment_wins_over_the_file(self):
        home = self.home(username="nobody", key="0" * 64)
        more = {"SL_USERNAME": self.boss["username"], "SL_API_KEY": self.key}
        (detail,) = self.printed("user", "detail", self.boss["username"], home=home, more=more)
        self.assertEqual(detail["Username"], self.boss["username"])
        (rows,) = self.printed("user", "list", home=home, more={"SL_USERNAME": "apikey", "SL_API_KEY": self.key})
        self.assertIn(self.boss["username"], [row["username"] for row in rows])

    def test_config_show(self):
        (shown,) = self.printed("config", "show")
        self.assertEqual((shown["Username"], shown["Endpoint URL"]), (self.boss["username"], self.endpoint.rstrip("/")))

    def test_user_detail(self):
        child = self.child(firstName="Ada", lastName="Lovelace", address1="1 Main Street", city="Oslo", country="NO", companyName="Engines", officePhone="+47 5")
        for password in (PASSWORD, "not " + PASSWORD):
            try:
                self.token(child["username"], password)
            except Exception:  # noqa: BLE001 - the wrong one
                pass
        for name in (child["username"], str(child["id"])):
            (detail,) = self.printed("user", "detail", name)
            self.assertEqual(detail["Id"], child["id"])
            expected = {
                "Username": child["username"], "APIKEY": "No", "Name": "Ada Lovelace", "Email": child["email"], "Company": "Engines", "Phone Number": "+47 5",
                "Parent User": self.boss["username"], "Status": "Active",
            }
            self.assertEqual({title: detail[title] for title in expected}, expected)
            self.assertRegex(detail["Address"], r"1 Main Street\s+None Oslo None NO None")
            for title in ("Last Login", "Last Failed Login"):
                self.assertRegex(detail[title], r"^\d{4}-\d\d-\d\dT.* From: 127\.0\.0\.1$")
        self.assertIn("Unable to find user id for nobody", self.fails("user", "detail", "nobody"))
        self.assertIn("Unable to find object with id of '999999'.", self.fails("user", "detail", "999999"))

    def test_user_detail_shows_ones_own_key_and_no_other(self):
        child = self.child()
        key = self.add_key(self.log_in(child["username"]), child)
        (detail,) = self.printed("user", "detail", child["username"], "-k")
        self.assertIsNone(detail["APIKEY"])
        (detail,) = self.printed("user", "detail", child["username"])
        self.assertEqual(detail["APIKEY"], "Yes")
        (detail,) = self.printed("user", "detail", child["username"], "-k", home=self.home(child["username"], key))
        self.assertEqual(detail["APIKEY"], key)
        (detail,) = self.printed("user", "detail", self.boss["username"], "-k")
        self.assertEqual(detail["APIKEY"], self.key)

    def test_user_detail_with_permissions_logins_events_and_devices(self):
        child = self.child(permissions=["TICKET_VIEW", "TICKET_EDIT"])
        self.token(child["username"], PASSWORD)
        _, permissions = self.printed("user", "detail", child["username"], "-p")
        self.assertEqual([row["keyName"] for row in permissions], ["TICKET_EDIT", "TICKET_VIEW"])
        self.assertTrue(all(row["Description"] for row in permissions))
        _, logins = self.printed("user", "detail", child["username"], "-l")
        self.assertEqual([(row["IP Address"], row["Successufl Login?"]) for row in logins], [("127.0.0.1", True)])
        _, events = self.printed("user", "detail", self.boss["username"], "-e")
        self.assertTrue(events)
        self.assertEqual({(row["username"], row["IP Address"]) for row in events}, {(self.boss["username"], "127.0.0.1")})
        self.assertTrue(all(row["Date"] and row["Type"] for row in events))
        self.assertEqual(self.printed("user", "detail", child["username"], "-h")[1:], [[], []])
        self.assertEqual(self.printed("user", "detail", child["username"], "-v")[1:], [[]])
        self.assertEqual(len(self.printed("user", "detail", child["username"], "-p", "-l", "-h", "-v")), 6)

    def test_user_permissions(self):
        child = self.child(permissions=["TICKET_VIEW"])
        roles, departments = self.printed("user", "permissions", child["username"])
        self.assertEqual(roles, [])
        rows = {row["KeyName"]: row for rows in departments.values() for row in rows}
        self.assertEqual([name for name, row in rows.items() if row["Assigned"]], ["TICKET_VIEW"])
        self.assertIn("USER_MANAGE", rows)
        self.assertTrue(all(row["Description"] for row in rows.values()))
        told = self.text("user", "permissions", "root")
        self.assertIn("This account is the Master User and has all permissions enabled", told)

    def test_user_edit_permissions(self):
        child = self.child()
        held = lambda user: sorted(one["keyName"] for one in self.own.call(USER, "getPermissions", id=user["id"]))
        told = self.text("user", "edit-permissions", child["username"], "-p", "TICKET_VIEW", "-p", "ticket_edit")
        self.assertEqual(told.strip(), "Permissions updated successfully: TICKET_VIEW, ticket_edit")
        self.assertEqual(held(child), ["TICKET_EDIT", "TICKET_VIEW"])
        self.text("user", "edit-permissions", child["username"], "--disable", "-p", "TICKET_EDIT")
        self.assertEqual(held(child), ["TICKET_VIEW"])
        other = self.child(permissions=["TICKET_EDIT", "USER_MANAGE"])
        self.text("user", "edit-permissions", child["username"], "--from-user", other["username"])
        self.assertEqual(held(child), ["TICKET_EDIT", "USER_MANAGE"])
        self.text("user", "edit-permissions", child["username"], "--disable", "-p", "ALL")
        self.assertEqual(held(child), [])
        self.assertIn("'NO_SUCH' is not a valid permission", self.fails("user", "edit-permissions", child["username"], "-p", "NO_SUCH"))
        # Only what one has oneself is given.
        self.fails("user", "edit-permissions", child["username"], "-p", "ALL")
        self.assertEqual(held(child), [])
        self.assertIn("You may not add permissions to your account.", self.fails("user", "edit-permissions", self.boss["username"], "-p", "TICKET_VIEW"))

    def test_user_create_asks_first_and_takes_others_for_a_pattern(self):
        pattern = self.child(stem="pattern", city="Tromsø", country="NO")
        name = self.name("asked")
        arguments = ("user", "create", name, "-e", f"{name}@example.com", "--from-user", pattern["username"])
        home = self.home()
        screen, code = home.converse(*arguments, answers=[("Do you wish to continue? [y/N]", "n")])
        self.assertEqual(code, 2, screen)
        self.assertIn("Canceling creation!", screen)
        self.assertIn("Unable to find user id for", self.fails("user", "detail", name))
        screen, code = home.converse(*arguments, answers=[("Do you wish to continue? [y/N]", "y")])
        self.assertEqual(code, 0, screen)
        (detail,) = self.printed("user", "detail", name)
        self.assertRegex(detail["Address"], r"Tromsø None NO None$")
        # Without a password there is no login.
        for password in ("None", "", PASSWORD):
            with self.assertRaises(Exception):
                self.token(name, password)

    def test_device_access(self):
        child = self.child(permissions=["TICKET_VIEW"])
        (shown,) = self.printed("user", "device-access", str(child["id"]))
        self.assertEqual([row["Name"] for row in shown], ["Permission", "Hardware", "Dedicated Host", "Virtual Guest"])
        self.assertFalse(any(row["Value"] for row in shown), shown)

    def test_call_api(self):
        shown = self.printed("call-api", "Account", "getUsers", "--mask", "id,username", "--json-filter", json.dumps({"users": {"username": {"operation": self.boss["username"]}}}))
        self.assertEqual(shown, [[{"id": self.boss["id"], "username": self.boss["username"]}]])

    def test_refreshing_the_key_by_itself_leaves_one_without_a_key(self):
        child = self.child()
        key = self.add_key(self.log_in(child["username"]), child)
        told = self.fails("user", "apikey", child["username"], "--refresh", home=self.home(child["username"], key))
        self.assertEqual(told.splitlines(), [
            "Successfully removed API authentication key",
            "Authentication Failed: To update your credentials, use 'slcli config setup'",
        ])
        self.assertEqual(self.keys_of(self.own, child), [])


class CommandsOverRest(Typed, Rest, Face):
    pass


class Setup(XmlRpc, Face):
    """`slcli config setup`, at a terminal."""

    def setUp(self):
        self.user = self.make(stem="setup")
        self.name_of = self.user["username"]
        self.key = None

    def answers(self, secret, username=True):
        asked = [("Endpoint (public|private|custom)", self.endpoint)]
        if username:
            asked.append(("Classic Infrastructure Username", self.name_of))
        return asked + [("Classic Infrastructure API Key", secret), ("Timeout", ""), ("Theme (dark/light)", ""), ("Are you sure you want to write settings", "")]

    def setup(self, secret, *arguments, username=True):
        home = Home(self)
        screen, code = home.converse("config", "setup", *arguments, answers=self.answers(secret, username))
        self.assertEqual(code, 0, screen)
        self.assertIn("Configuration Updated Successfully", screen)
        self.assertNotIn(PASSWORD, screen)
        return home, home.settings()

    def uses(self, home):
        done = home.run("user", "detail", str(self.user["id"]))
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(documents(done.stdout)[0]["Username"], self.name_of)

    def test_with_a_key(self):
        key = self.add_key(self.log_in(self.name_of), self.user)
        home, settings = self.setup(key)
        self.assertEqual((settings["username"], settings["api_key"], settings["endpoint_url"]), (self.name_of, key, self.endpoint))
        self.uses(home)

    def test_with_a_password_a_key_is_made(self):
        home, settings = self.setup(PASSWORD)
        self.assertRegex(settings["api_key"], f"^{KEY.pattern}$")
        self.assertEqual(settings["username"], self.name_of)
        self.assertEqual(len(self.keys_of(self.root, self.user)), 1)
        self.uses(home)

    def test_with_a_password_the_key_that_is_there_is_read_again(self):
        key = self.add_key(self.log_in(self.name_of), self.user)
        home, settings = self.setup(PASSWORD)
        self.assertEqual(settings["api_key"], key)
        self.uses(home)

    def test_with_a_cloud_key(self):
        key = self.add_key(self.log_in(self.name_of), self.user)
        home, settings = self.setup(key, "-a", "cloud_key", username=False)
        self.assertEqual((settings["username"], settings["api_key"]), ("apikey", key))
        self.uses(home)

    def test_a_wrong_password_writes_nothing(self):
        home = Home(self)
        screen, code = home.converse("config", "setup", answers=self.answers("not " + PASSWORD)[:3])
        self.assertEqual(code, 1, screen)
        self.assertIn("Invalid login credentials provided.", screen)
        self.assertFalse(os.path.exists(home.file))
        self.assertEqual(self.keys_of(self.root, self.user), [])

    def test_the_master_user_sets_up_too(self):
        self.name_of, self.user = "root", {"id": self.root_id}
        home, settings = self.setup(ROOT_PASSWORD)
        self.uses(home)
        (record,) = self.keys_of(self.root, self.user)
        self.assertEqual(record["authenticationKey"], settings["api_key"])
        self.root.call(USER, "removeApiAuthenticationKey", record["id"])
        done = home.run("user", "list")
        self.assertEqual((done.returncode, done.stdout.strip()), (1, "Authentication Failed: To update your credentials, use 'slcli config setup'"))


class SetupOverRest(Rest, Face):
    def test_with_a_key(self):
        user = self.make(stem="setup")
        key = self.add_key(self.log_in(user["username"]), user)
        home = Home(self)
        answers = [
            ("Endpoint (public|private|custom)", "custom"), ("Endpoint URL", self.endpoint), ("Classic Infrastructure Username", user["username"]),
            ("Classic Infrastructure API Key", key), ("Timeout", "30"), ("Theme (dark/light)", "light"), ("Are you sure you want to write settings", "y"),
        ]
        screen, code = home.converse("config", "setup", answers=answers)
        self.assertEqual(code, 0, screen)
        settings = home.settings()
        self.assertEqual((settings["username"], settings["api_key"], settings["endpoint_url"], settings["timeout"]), (user["username"], key, self.endpoint, "30"))
        done = home.run("user", "detail", user["username"])
        self.assertEqual(documents(done.stdout)[0]["Username"], user["username"], done)


if __name__ == "__main__":
    unittest.main()
