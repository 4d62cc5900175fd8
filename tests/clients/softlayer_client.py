"""Drives keytower with the PyPI package SoftLayer, unmodified, over XML-RPC and REST: credentials, logins, masks, filters and limits.

KEYTOWER is the address of a service (`http://host:port`), ROOT_PASSWORD the password of its user root. `SecondFactor` wants a service whose
clock goes on, `Locked` one whose clock stands still.
"""

import re
import time
import unittest

import pyotp
import SoftLayer
from SoftLayer.auth import BasicHTTPAuthentication

from softlayer_support import INVALID, KEYS, PASSWORD, PUBLIC, ROOT_PASSWORD, USER, Face, Rest, XmlRpc, graphql, graphql_login, mint

LOGIN_FAILED = "SoftLayer_Exception_User_Customer_LoginFailed"
BAD_STATUS = "SoftLayer_Exception_User_Customer_InvalidUserStatus"
BAD_ANSWER = "SoftLayer_Exception_User_Customer_InvalidSecurityQuestionAnswer"
LOCKED = "SoftLayer_Exception_User_Customer_AccountLocked"
OBJECT_MASK = "SoftLayer_Exception_WebService_ObjectMask"
PARSER = "SoftLayer_Exception_Common_Parser"


class Credentials:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada = cls.make(stem="ada")
        cls.username = cls.ada["username"]
        cls.own = cls.log_in(cls.username)
        cls.key = cls.add_key(cls.own, cls.ada)

    def test_a_key_goes_with_its_users_name(self):
        self.works(self.with_key(self.username, self.key), self.username)

    def test_a_key_alone_says_whose_it_is(self):
        self.works(self.with_key("apikey", self.key), self.username)

    def test_a_portal_token_goes_with_its_users_number(self):
        number, text = self.token(self.username, PASSWORD)
        self.assertEqual(number, self.ada["id"])
        self.works(self.with_token(number, text), self.username)

    def test_a_portal_token_goes_in_the_place_of_a_key(self):
        _, text = self.token(self.username, PASSWORD)
        self.works(self.with_key(self.username, text), self.username)

    def test_any_credential_goes_as_a_bearer(self):
        token = graphql_login(self.username, PASSWORD)
        for text in (self.key, self.token(self.username, PASSWORD)[1], token, mint(token)):
            self.works(self.with_bearer(text), self.username)

    def test_the_older_version_of_the_endpoint_is_the_same(self):
        client = self.client(self.key_auth(self.username, self.key), self.older)
        self.works(client, self.username)
        self.assertEqual(client.call(USER, "getObject", id=self.ada["id"])["username"], self.username)

    def test_without_a_credential_the_call_is_refused(self):
        for call in (self.me, lambda client: client.call(USER, "getObject", id=self.ada["id"])):
            if self.is_rest:
                self.refused(PUBLIC, "Access Denied. ", 401, call, self.client())
            else:
                self.refused("SoftLayer_Exception", "No valid authentication headers found.", None, call, self.client())

    def test_wrong_keys_and_unknown_users_look_alike(self):
        other = self.make(stem="bob")
        others = self.add_key(self.root, other)
        last = "b" if self.key[-1] == "a" else "a"
        minted = mint(graphql_login("root", ROOT_PASSWORD))
        for username, key in [
            (self.username, "0" * 64), (self.username, self.key[:-1] + last), (self.username, self.key.upper()),
            (self.username, self.key[:-1]), (self.username, self.key + "a"), (self.username, f" {self.key}"),
            (self.username, "x"), (self.username, others), (self.username, minted), (self.username, PASSWORD),
            (self.username.upper(), self.key), ("nobody", self.key), ("apikey", "0" * 64), ("apikey", PASSWORD),
            ("root", self.key), (str(self.ada["id"]), "0" * 64), ("root' OR '1'='1", self.key), ("ädä", "ключ"),
        ]:
            with self.subTest(username=username, key=key):
                self.no_such_key(self.me, self.with_key(username, key))

    def test_wrong_portal_tokens_look_alike(self):
        number, text = self.token(self.username, PASSWORD)
        for user_id, shown in [(number, "0" * len(text)), (number, text[:-1]), (number, "x"), (self.root_id, text), (0, text), (2**31, text)]:
            with self.subTest(user_id=user_id, shown=shown):
                self.no_such_token(self.me, self.with_token(user_id, shown))
        self.works(self.with_token(number, text), self.username)

    def test_a_key_works_from_the_addresses_of_its_rule_only(self):
        user = self.make(stem="restricted")
        own = self.log_in(user["username"])
        key = self.add_key(own, user)
        record = self.record(own, user)
        for rule, admits in [
            ("192.0.2.0/24", False), ("127.0.0.0/8", True), ("::1", False), ("::ffff:127.0.0.1", True), ("127.0.0.1", True),
            ("127.0.0.2", False), ("192.0.2.1,127.0.0.1", True), ("192.0.2.1, 127.0.0.0/8", True), ("2001:db8::/32", False),
            ("127.0.0.1/32", True), ("", True),
        ]:
            with self.subTest(rule):
                edited = own.call(KEYS, "editObject", {"ipAddressRestriction": rule}, id=record["id"])
                self.assertEqual(edited.get("ipAddressRestriction", ""), rule)
                for client in (self.with_key(user["username"], key), self.with_key("apikey", key)):
                    if admits:
                        self.works(client, user["username"])
                    elif self.is_rest:
                        self.refused(PUBLIC, re.compile(r"^(Access Denied\. |Unauthorized IP Address!)$"), 401, self.me, client)
                    else:
                        self.refused(PUBLIC, "Unauthorized IP Address!", None, self.me, client)

    def test_a_key_of_the_other_kind_reads_and_changes_nothing(self):
        minted = mint(graphql_login("root", ROOT_PASSWORD))
        child = self.make(stem="child")
        self.add_key(self.root, child)
        key_id = self.record(self.root, child)["id"]
        permissions = [{"keyName": "TICKET_VIEW"}]
        for client in (self.with_key("root", minted), self.with_key("apikey", minted), self.with_bearer(minted)):
            self.works(client, "root")
            self.assertEqual(self.record(client, child)["id"], key_id)
            template = {"username": self.name("none"), "email": "none@example.com"}
            for service, method, arguments, number in [
                (USER, "addApiAuthenticationKey", (), self.root_id),
                (USER, "addApiAuthenticationKey", (), child["id"]),
                (USER, "removeApiAuthenticationKey", (key_id,), None),
                (KEYS, "editObject", ({"ipAddressRestriction": "192.0.2.1"},), key_id),
                (USER, "editObject", ({"firstName": "Eve"},), child["id"]),
                (USER, "editObjects", ([{"id": child["id"], "firstName": "Eve"}],), None),
                (USER, "createObject", (template, PASSWORD, None), None),
                ("Account", "createUser", (template, PASSWORD, None, True), None),
                (USER, "addBulkPortalPermission", (permissions,), child["id"]),
                (USER, "removeBulkPortalPermission", (permissions,), child["id"]),
                (USER, "assignNewParentId", (self.root_id,), child["id"]),
                (USER, "isValidPortalPassword", (PASSWORD,), self.root_id),
                (USER, "selfPasswordChange", (ROOT_PASSWORD, PASSWORD), None),
            ]:
                with self.subTest(method):
                    options = {} if number is None else {"id": number}
                    self.denied(client.call, service, method, *arguments, **options)
        self.assertEqual(self.record(self.root, child)["ipAddressRestriction"], "")
        self.assertEqual(self.keys_of(self.root, {"id": self.root_id}), [])


class CredentialsOverXmlRpc(Credentials, XmlRpc, Face):
    def call_with(self, authenticate, auth=None):
        return self.me(self.client(auth), headers={"authenticate": authenticate})

    def test_a_header_that_names_no_credential_in_full_is_none(self):
        good = BasicHTTPAuthentication("apikey", self.key)
        number, text = self.token(self.username, PASSWORD)
        for shown in [
            {}, {"username": self.username}, {"apiKey": self.key}, {"userId": number}, {"authToken": text},
            {"username": "", "apiKey": ""}, {"complexType": "PortalLoginToken"}, {"username": self.username, "authToken": text},
            {"username": None, "apiKey": None},
        ]:
            for auth in (None, good):
                with self.subTest(shown=shown, auth=auth):
                    text_of = "No valid authentication headers found."
                    self.refused("SoftLayer_Exception", text_of, None, self.call_with, shown, auth)

    def test_a_header_in_the_call_wins_over_that_of_http(self):
        right = {"username": self.username, "apiKey": self.key}
        self.assertEqual(self.call_with(right, BasicHTTPAuthentication("root", "wrong"))["username"], self.username)
        wrong = {"username": self.username, "apiKey": "0" * 64}
        self.no_such_key(self.call_with, wrong, BasicHTTPAuthentication("apikey", self.key))

    def test_a_token_is_known_by_its_members_and_not_by_its_type(self):
        number, text = self.token(self.username, PASSWORD)
        for shown in [
            {"userId": number, "authToken": text}, {"userId": str(number), "authToken": text},
            {"userId": number, "authToken": text, "username": "", "apiKey": ""},
        ]:
            self.assertEqual(self.call_with(shown)["username"], self.username)

    def test_the_librarys_own_login_stays_logged_in(self):
        client = self.client()
        number, text = client.authenticate_with_password(self.username, PASSWORD)
        self.assertEqual(number, self.ada["id"])
        self.works(client, self.username)
        self.works(self.with_token(number, text), self.username)

    def test_unknown_headers_are_passed_over(self):
        headers = {"User-Agent": "softlayer-go", "clientLegacySession": {"userId": 1}, "nothing": None}
        client = self.with_key(self.username, self.key)
        self.assertEqual(self.me(client, headers=headers)["username"], self.username)


class CredentialsOverRest(Credentials, Rest, Face):
    def test_the_librarys_own_login_gives_a_token_that_the_library_can_not_show(self):
        client = self.client()
        number, text = client.authenticate_with_password(self.username, PASSWORD)
        # It sends `?authenticate=userId`, without the values.
        self.refused(PUBLIC, "Access Denied. ", 401, self.me, client)
        self.works(self.with_token(number, text), self.username)


class Login:
    def ask(self, *arguments):
        return self.client().call(USER, "getPortalLoginToken", *arguments)

    def test_a_login_answers_number_and_token(self):
        user = self.make(stem="login")
        for arguments in ((), (None,), (None, None)):
            answer = self.ask(user["username"], PASSWORD, *arguments)
            self.assertEqual(answer["userId"], user["id"])
            self.assertIsInstance(answer["hash"], str)
            self.assertGreaterEqual(len(answer["hash"]), 32)
            self.works(self.with_token(answer["userId"], answer["hash"]), user["username"])

    def test_each_login_has_a_token_of_its_own(self):
        user = self.make(stem="login")
        one, two = self.token(user["username"], PASSWORD), self.token(user["username"], PASSWORD)
        self.assertNotEqual(one, two)
        for token in (one, two):
            self.works(self.with_token(*token), user["username"])

    def test_a_wrong_password_and_a_wrong_name_look_alike(self):
        user = self.make(stem="login")
        text = "Invalid login credentials provided."
        for username, password in [
            (user["username"], "not " + PASSWORD), (user["username"], ""), (user["username"], PASSWORD.upper()),
            (self.name("nobody"), PASSWORD), ("", ""), (self.name("nobody") + "' OR '1'='1", PASSWORD),
        ]:
            with self.subTest(username=username, password=password):
                self.refused(LOGIN_FAILED, text, 500, self.ask, username, password)
        self.ask(user["username"], PASSWORD)

    def test_what_lacks_a_name_or_a_password_is_refused(self):
        for arguments in [(), ("root",), (None, None), ("root", None), ({"a": 1}, ["b"])]:
            with self.subTest(arguments):
                answered = self.raises(self.ask, *arguments)
                self.assertNotIn(ROOT_PASSWORD, answered.text)

    def test_who_is_not_active_is_told_so_with_the_right_password_only(self):
        for state in ("DISABLED", "INACTIVE", "PENDING", "SUSPENDED", "CANCEL_PENDING", "VPN_ONLY"):
            with self.subTest(state):
                user = self.make(stem=state.lower())
                self.put(self.root, user, state)
                text = re.compile(rf"^User account is currently {state.lower()}\.?$")
                self.refused(BAD_STATUS, text, 500, self.ask, user["username"], PASSWORD)
                self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, user["username"], "not it, no")

    def test_the_users_own_address_rule_is_for_logins(self):
        user = self.make(stem="at-home")
        key = self.add_key(self.root, user)
        change = lambda rule: self.root.call(USER, "editObject", {"ipAddressRestriction": rule}, id=user["id"])
        self.assertIs(change("192.0.2.0/24, 2001:db8::/32"), True)
        self.refused(PUBLIC, "Unauthorized IP Address!", 500, self.ask, user["username"], PASSWORD)
        # It is not the key's.
        self.works(self.with_key(user["username"], key), user["username"])
        self.assertIs(change("127.0.0.0/8"), True)
        self.ask(user["username"], PASSWORD)
        self.refused(INVALID, None, 500, change, "my house")
        self.assertIs(change(""), True)
        self.ask(user["username"], PASSWORD)

    def test_a_user_without_a_password_can_not_log_in(self):
        user = self.make(stem="silent", password=None)
        for password in ("", "None", PASSWORD):
            self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, user["username"], password)
        key = self.add_key(self.root, user)
        self.works(self.with_key(user["username"], key), user["username"])

    def test_a_security_question_is_asked_of_whoever_wants_it(self):
        user = self.make(stem="careful")
        own = self.log_in(user["username"])
        questions = self.client().call("User_Security_Question", "getAllObjects")
        self.assertGreaterEqual(len(questions), 3)
        self.assertTrue(all(question["question"] and question["id"] for question in questions))
        ids = [{"id": question["id"]} for question in questions[:3]]
        answers = ["Rex", "Oslo", "green"]
        update = lambda who, *told: who.call(USER, "updateSecurityAnswers", *told)
        for told, text in [
            (([ids[0], ids[0], ids[1]], answers), "Please provide three different security questions."),
            ((ids[:2], answers[:2]), "Please provide three different security questions."),
            ((ids, ["Rex", "Rex", "green"]), "Please provide three unique security question answers."),
            ((ids[:2] + [{"id": 999999}], answers), "Please provide valid security questions."),
        ]:
            with self.subTest(text):
                self.refused(PUBLIC, text, 500, update, own, *told)
        key = self.add_key(own, user)
        self.raises(update, self.with_key(user["username"], key), ids, answers)
        self.assertIs(update(own, ids, answers), True)
        self.ask(user["username"], PASSWORD)
        self.assertIs(own.call(USER, "editObject", {"secondaryLoginRequiredFlag": True}, id=user["id"]), True)
        text = "Invalid answer provided for security question."
        name, first = user["username"], ids[0]["id"]
        for told in [(), (first, "Bello"), (first, None), (None, "Rex"), (ids[1]["id"], "Rex")]:
            with self.subTest(told):
                self.refused(BAD_ANSWER, text, 500, self.ask, name, PASSWORD, *told)
                # A right one in between, so that nobody is locked out.
                self.ask(name, PASSWORD, first, "Rex")
        self.refused(LOGIN_FAILED, "Invalid login credentials provided.", 500, self.ask, name, "not " + PASSWORD, first, "Rex")
        self.unknown_to("Rex", own.call(USER, "getSecurityAnswers", id=user["id"]), self.me(own, mask="mask[securityAnswers[question]]"))

    def test_every_attempt_is_kept_newest_first(self):
        user = self.make(stem="watched")
        self.ask(user["username"], PASSWORD)
        self.raises(self.ask, user["username"], "not " + PASSWORD)
        own = self.log_in(user["username"])
        attempts = own.call(USER, "getLoginAttempts", id=user["id"])
        self.assertEqual([attempt["successFlag"] for attempt in attempts], [True, False, True])
        for attempt in attempts:
            self.assertEqual((attempt["ipAddress"], attempt["userId"], attempt["username"]), ("127.0.0.1", user["id"], user["username"]))
            self.assertRegex(attempt["createDate"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$")
        right = own.call(USER, "getSuccessfulLogins", id=user["id"])
        wrong = own.call(USER, "getUnsuccessfulLogins", id=user["id"])
        self.assertEqual((len(right), len(wrong)), (2, 1))
        self.assertEqual(len(self.root.call(USER, "getLoginAttempts", id=user["id"], limit=2)), 2)
        self.not_found(user["id"], self.log_in(self.make(stem="nosy")["username"]).call, USER, "getLoginAttempts", id=user["id"])

    def test_a_token_is_validated(self):
        user = self.make(stem="login")
        number, text = self.token(user["username"], PASSWORD)
        validate = lambda token: self.client().call(USER, "validateAuthenticationToken", token)
        self.assertEqual(validate({"userId": number, "hash": text})["userId"], number)
        for wrong in [{"userId": number, "hash": "0" * len(text)}, {"userId": self.root_id, "hash": text}, {}, None]:
            with self.subTest(wrong):
                self.raises(validate, wrong)

    def test_another_password_ends_the_other_tokens(self):
        user = self.make(stem="changing")
        key = self.add_key(self.root, user)
        other, own = self.log_in(user["username"]), self.log_in(user["username"])
        change = lambda who, *told: who.call(USER, "selfPasswordChange", *told)
        new = "another password of theirs"
        self.denied(change, self.with_key(user["username"], key), PASSWORD, new)
        self.raises(change, own, "not " + PASSWORD, new)
        for weak in ("short", "password", user["username"], PASSWORD, ""):
            self.raises(change, own, PASSWORD, weak)
        self.works(other, user["username"])
        self.assertIsNone(change(own, PASSWORD, new))
        self.no_such_token(self.me, other)
        self.refused(LOGIN_FAILED, None, 500, self.ask, user["username"], PASSWORD)
        self.works(self.log_in(user["username"], new), user["username"])
        self.works(self.with_key(user["username"], key), user["username"])

    def test_the_requirements_of_a_password_are_told(self):
        told = self.root.call(USER, "getPasswordRequirements", False)
        self.assertEqual(int(told["minLength"]), 8)
        self.assertGreaterEqual(int(told["maxLength"]), 23)

    def test_a_login_that_answers_instead_of_failing(self):
        user = self.make(stem="native")
        kind = "SoftLayer_Container_Authentication_Request_Native"
        ask = lambda password: self.client().call(
            USER, "getLoginToken", {"complexType": kind, "username": user["username"], "password": password})
        right = ask(PASSWORD)
        self.assertRegex(right["complexType"], "_Success$")
        self.works(self.with_token(right["token"]["userId"], right["token"]["hash"]), user["username"])
        wrong = ask("not " + PASSWORD)
        self.assertRegex(wrong["complexType"], "_LoginFailed$")
        self.assertEqual(wrong["errorMessage"], "Invalid login credentials provided.")
        self.assertNotIn("token", wrong)
        self.root.call(USER, "editObject", {"ipAddressRestriction": "192.0.2.1"}, id=user["id"])
        elsewhere = ask(PASSWORD)
        self.assertRegex(elsewhere["complexType"], "_IpAddressRestrictionCheckNeeded$")
        self.assertNotIn("token", elsewhere)
        self.assertEqual(len({answer["statusKeyName"] for answer in (right, wrong, elsewhere)}), 3)


class LoginOverXmlRpc(Login, XmlRpc, Face):
    pass


class LoginOverRest(Login, Rest, Face):
    pass


class Locked:
    def test_guesses_are_held_off_and_tokens_and_keys_are_not(self):
        user = self.make(stem="guessed")
        own = self.log_in(user["username"])
        key = self.add_key(own, user)
        ask = lambda password: self.client().call(USER, "getPortalLoginToken", user["username"], password)
        judged, text = 0, "Account has been locked for 30 minutes."
        for number in range(40):
            answered = self.raises(ask, f"guess number {number}")
            if answered.code == LOCKED:
                break
            self.assertEqual(answered.code, LOGIN_FAILED)
            judged += 1
        self.assertLessEqual(judged, 20)
        # Nor is the right one judged now.
        for password in ("one more guess", PASSWORD):
            self.refused(LOCKED, text, 500, ask, password)
        self.works(own, user["username"])
        self.works(self.with_key(user["username"], key), user["username"])


class LockedOverXmlRpc(Locked, XmlRpc, Face):
    pass


class LockedOverRest(Locked, Rest, Face):
    pass


class Asking:
    """Masks, filters and limits: fourteen users below one of them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls.make(stem="boss", permissions=["USER_MANAGE", "TICKET_VIEW"])
        cls.own = cls.log_in(cls.boss["username"])
        cls.add_key(cls.own, cls.boss)
        cls.stem = cls.name("row")
        cls.rows = []
        for number in range(14):
            name = f"{cls.stem}-{number:02}"
            template = {"username": name, "email": f"{name}@example.com", "firstName": "Row", "lastName": f"Number {number}"}
            if number % 2:
                template["city"] = "Oslo"
            cls.rows.append(cls.own.call(USER, "createObject", template, None, None))
        cls.put(cls.own, cls.rows[3], "DISABLED")

    def users(self, condition=None, **options):
        """Users of this class that a condition lets through, by the number in their name."""
        wanted = {"users": {"username": {"operation": f"^= {self.stem}"}, **(condition or {})}}
        return self.own.call("Account", "getUsers", filter=wanted, **options)

    def rows_of(self, condition, **options):
        found = self.users(condition, **options)
        numbers = [int(user["username"].rsplit("-", 1)[1]) for user in found]
        self.assertEqual(found.total_count, len(numbers))
        return numbers

    def get(self, **options):
        return self.own.call(USER, "getObject", id=self.rows[1]["id"], **options)

    def test_a_mask_is_spelled_in_many_ways(self):
        both = {"id": self.rows[1]["id"], "username": self.rows[1]["username"]}
        for mask in [
            "mask[id,username]", "id,username", "id;username", "mask[id;username]", "[mask.id,mask.username]", "mask(SoftLayer_User_Customer)[id,username]",
            "filteredMask[id,username]", " mask[ id ,\n   username ]\n", "mask[id,username,id]", "[mask[id],mask[username]]",
        ]:
            with self.subTest(mask):
                self.assertEqual(self.get(mask=mask), both)
        self.assertEqual(self.get(mask="mask.username"), {"username": both["username"]})
        self.assertEqual(self.get(mask="username"), {"username": both["username"]})
        for mask in ["mask[id,userStatus[name]]", "mask[id,userStatus.name]", "[mask.id,mask.userStatus.name]", "id, userStatus(SoftLayer_User_Customer_Status)[name]"]:
            with self.subTest(mask):
                self.assertEqual(self.get(mask=mask), {"id": both["id"], "userStatus": {"name": "Active"}})
        deep = self.get(mask="mask[id,parent[username,userStatus[keyName],childUsers[parent[id]]]]")
        self.assertEqual(deep["parent"]["userStatus"], {"keyName": "ACTIVE"})
        self.assertEqual(deep["parent"]["childUsers"], [{"parent": {"id": self.boss["id"]}}] * 14)

    def test_no_mask_gives_the_local_properties(self):
        plain = self.get()
        for name in ("id", "username", "email", "firstName", "lastName", "city", "parentId", "userStatusId", "createDate", "accountId"):
            self.assertIn(name, plain)
        for name in ("userStatus", "parent", "apiAuthenticationKeys", "permissions", "hardwareCount", "childUserCount", "password"):
            self.assertNotIn(name, plain)
        self.assertEqual(self.get(mask="mask[]"), plain)
        self.assertNotIn("address1", plain)

    def test_relations_and_counts_come_beside_all_local_properties(self):
        plain = self.get()
        mask = "userStatus[name], parent[id, username], apiAuthenticationKeys[authenticationKey], unsuccessfulLogins, hardwareCount"
        more = self.get(mask=mask)
        self.assertEqual({name: more[name] for name in plain}, plain)
        self.assertEqual(more["userStatus"], {"name": "Active"})
        self.assertEqual(more["parent"], {"id": self.boss["id"], "username": self.boss["username"]})
        self.assertEqual((more["apiAuthenticationKeys"], more["unsuccessfulLogins"], more["hardwareCount"]), ([], [], 0))
        counts = self.me(self.own, mask="mask[id, childUserCount, apiAuthenticationKeyCount, permissionCount, externalBindingCount]")
        expected = {"id": self.boss["id"], "childUserCount": 14, "apiAuthenticationKeyCount": 1, "permissionCount": 2, "externalBindingCount": 0}
        self.assertEqual(counts, expected)
        self.assertNotIn("parent", self.me(self.root, mask="mask[id, parent[id]]"))

    def test_a_mask_that_can_not_be_is_refused(self):
        for mask, kind in [("mask[id,colour]", USER), ("mask[userStatus[colour]]", "SoftLayer_User_Customer_Status"), ("parent[parent[colour]]", USER)]:
            with self.subTest(mask):
                self.refused(OBJECT_MASK, f"Property 'colour' not valid for '{kind}'.", 500, self.get, mask=mask)
        for mask in ["mask[id", "mask[id,,username]]", "mask[[id]", "mask[id]]", "mask[i d]", "mask[id,username", "mask[<id>]"]:
            with self.subTest(mask):
                self.refused(PARSER, re.compile(r"^Error on line 1 at column \d+: Expected .+, got '.*'$"), 500, self.get, mask=mask)
        deep = "parent[" * 2000 + "id" + "]" * 2000
        self.raises(self.own.call, USER, "getObject", id=self.rows[1]["id"], mask=deep)

    def test_a_filter_says_it_in_many_ways(self):
        row = lambda number: f"{self.stem}-{number:02}"
        data = lambda *values: [{"name": "data", "value": list(values)}]
        for operation, expected in [
            ({"operation": row(4)}, [4]),
            ({"operation": f"_= {row(4).upper()}"}, [4]),
            ({"operation": f"_={row(4)}"}, [4]),
            ({"operation": f"^= {row(0)[:-1]}"}, range(10)),
            ({"operation": "$= 4"}, [4]),
            ({"operation": f"*= {self.stem}-0"}, range(10)),
            ({"operation": f"~ {self.stem}-1"}, range(10, 14)),
            ({"operation": f"!~ {self.stem}-1"}, range(10)),
            ({"operation": f"!^= {self.stem}"}, []),
            ({"operation": "in", "options": data(row(1), row(5), "nobody")}, [1, 5]),
            ({"operation": "nobody"}, []),
        ]:
            with self.subTest(operation):
                found = self.own.call("Account", "getUsers", filter={"users": {"username": operation}})
                mine = [int(user["username"].rsplit("-", 1)[1]) for user in found if user["username"].startswith(self.stem)]
                self.assertEqual(mine, list(expected))
        odd, even = list(range(1, 14, 2)), list(range(0, 14, 2))
        ids = [row["id"] for row in self.rows]
        for condition, expected in [
            ({"city": {"operation": "Oslo"}}, odd),
            ({"city": {"operation": "not null"}}, odd),
            ({"city": {"operation": "is null"}}, even),
            ({"city": {"operation": "^= Os"}}, odd),
            ({"city": {"operation": "$= lo"}}, odd),
            ({"city": {"operation": "*= sl"}}, odd),
            ({"firstName": {"operation": "!= Row"}}, []),
            ({"lastName": {"operation": "!^= Number 1"}}, [0] + list(range(2, 10))),
            ({"id": {"operation": ids[6]}}, [6]),
            ({"id": {"operation": str(ids[6])}}, [6]),
            ({"id": {"operation": f"> {ids[11]}"}}, [12, 13]),
            ({"id": {"operation": f">= {ids[11]}"}}, [11, 12, 13]),
            ({"id": {"operation": f"< {ids[2]}"}}, [0, 1]),
            ({"id": {"operation": f"<= {ids[2]}"}}, [0, 1, 2]),
            ({"id": {"operation": "in", "options": data(ids[9], str(ids[2]))}}, [2, 9]),
            ({"userStatus": {"name": {"operation": "Disabled"}}}, [3]),
            ({"userStatus": {"keyName": {"operation": "!= ACTIVE"}}}, [3]),
            ({"parent": {"username": {"operation": self.boss["username"]}}}, list(range(14))),
            ({"parent": {"username": {"operation": "root"}}}, []),
            ({"city": {"operation": "Oslo"}, "lastName": {"operation": "*= 1"}}, [1, 11, 13]),
            ({"createDate": {"operation": "greaterThanDate", "options": [{"name": "date", "value": ["01/01/2020 0:0:0"]}]}}, list(range(14))),
            ({"createDate": {"operation": "lessThanDate", "options": [{"name": "date", "value": ["2020-01-01T00:00:00"]}]}}, []),
        ]:
            with self.subTest(condition):
                self.assertEqual(self.rows_of(condition), expected)

    def test_rows_come_in_the_order_that_was_asked_for(self):
        order = lambda way: {"operation": "orderBy", "options": [{"name": "sort", "value": [way]}]}
        self.assertEqual(self.rows_of(None), list(range(14)))
        self.assertEqual(self.rows_of({"id": order("DESC")}), list(range(13, -1, -1)))
        self.assertEqual(self.rows_of({"id": order("ASC")}), list(range(14)))
        self.assertEqual(self.rows_of({"lastName": order("DESC")})[:2], [9, 8])

    def test_a_filter_that_hits_nothing_known_is_passed_over(self):
        for condition in [
            {"colour": {"operation": "red"}}, {"userStatus": {"colour": {"operation": "red"}}}, {"hardware": {"id": {"operation": 1}}},
        ]:
            with self.subTest(condition):
                self.assertEqual(self.rows_of(condition), list(range(14)))
        for root in [
            {"id": {"operation": "orderBy", "options": [{"name": "sort", "value": ["DESC"]}]}}, {"virtualGuests": {"id": {"operation": 1}}},
            {"colour": {"operation": "red"}}, {},
        ]:
            with self.subTest(root):
                self.assertGreaterEqual(len(self.own.call("Account", "getUsers", filter=root)), 15)

    def test_limit_and_offset_take_a_part_and_tell_of_all(self):
        for limit, offset, expected in [(5, 0, range(5)), (5, 10, range(10, 14)), (5, 14, []), (100, 0, range(14)), (1, 13, [13]), (5, None, range(5))]:
            with self.subTest(limit=limit, offset=offset):
                found = self.users(limit=limit, offset=offset)
                self.assertEqual([int(user["username"][-2:]) for user in found], list(expected))
                self.assertEqual(found.total_count, 14)
        children = self.own.call(USER, "getChildUsers", id=self.boss["id"], limit=3, offset=1, mask="mask[id]")
        self.assertEqual(children, [{"id": row["id"]} for row in self.rows[1:4]])
        self.assertEqual(children.total_count, 14)

    def test_pages_are_turned_to_the_end(self):
        wanted = {"users": {"username": {"operation": f"^= {self.stem}"}}}
        expected = [row["id"] for row in self.rows]
        for limit in (1, 5, 7, 14, 100):
            with self.subTest(limit):
                turned = self.own.iter_call("Account", "getUsers", limit=limit, filter=dict(wanted), mask="mask[id]")
                self.assertEqual([user["id"] for user in turned], expected)
        turned = self.own.call("Account", "getUsers", iter=True, limit=5, filter=dict(wanted))
        self.assertEqual([user["id"] for user in turned], expected)
        at_once = self.own.cf_call("Account", "getUsers", limit=5, filter=dict(wanted))
        self.assertEqual([user["id"] for user in at_once], expected)
        everybody = self.root.call("Account", "getUsers", mask="mask[id]")
        turned = [user["id"] for user in self.root.iter_call("Account", "getUsers", limit=5)]
        self.assertEqual(turned, [user["id"] for user in everybody])
        self.assertEqual(everybody.total_count, len(everybody))
        self.assertGreaterEqual(len(turned), 16)

    def test_every_list_tells_how_many_there_are(self):
        number = self.boss["id"]
        for service, method, options in [
            ("Account", "getUsers", {}), (USER, "getChildUsers", {"id": number}), (USER, "getPermissions", {"id": number}),
            (USER, "getApiAuthenticationKeys", {"id": number}), (USER, "getLoginAttempts", {"id": number}),
            (USER, "getHardware", {"id": number}), (USER, "getVirtualGuests", {"id": number}), (USER, "getDedicatedHosts", {"id": number}),
            (USER, "getRoles", {"id": number}), ("User_Permission_Action", "getAllObjects", {}),
            ("User_Permission_Department", "getAllObjects", {}), ("User_Customer_Status", "getAllObjects", {}),
            ("User_Security_Question", "getAllObjects", {}), ("Event_Log", "getAllObjects", {}),
        ]:
            with self.subTest(service + method):
                found = self.own.call(service, method, **options)
                self.assertEqual(found.total_count, len(found))

    def test_the_librarys_user_manager_gets_what_its_commands_print(self):
        manager = SoftLayer.UserManager(self.own)
        number = self.boss["id"]
        listed = {user["id"]: user for user in manager.list_users()}
        mine = listed[number]
        self.assertEqual((mine["username"], mine["userStatus"], mine["email"]), (self.boss["username"], {"name": "Active"}, self.boss["email"]))
        self.assertEqual((mine["hardwareCount"], mine["virtualGuestCount"], mine["externalBindingCount"], mine["apiAuthenticationKeyCount"]), (0, 0, 0, 1))
        self.assertEqual(mine["roles"], [])
        self.assertNotIn("firstName", mine)
        self.assertEqual(manager.resolve_ids(self.boss["username"]), [number])
        with self.assertRaises(SoftLayer.SoftLayerError):
            manager.resolve_ids("nobody")
        self.assertEqual(manager.get_user(number)["parent"]["username"], "root")
        self.assertEqual(manager.get_current_user()["id"], number)
        permissions = manager.get_user(number, "mask[id, permissions, isMasterUserFlag, roles]")
        self.assertEqual([one["keyName"] for one in sorted(permissions["permissions"], key=lambda one: one["keyName"])], ["TICKET_VIEW", "USER_MANAGE"])
        self.assertEqual((permissions["isMasterUserFlag"], permissions["roles"]), (False, []))
        departments = manager.get_permission_departments()
        listed = {one["keyName"] for department in departments for one in department["permissions"]}
        self.assertEqual(listed, {one["keyName"] for one in manager.get_all_permissions()})
        for department in departments:
            self.assertTrue(department["name"])
            self.assertTrue(all(one["id"] and one["name"] and one["description"] for one in department["permissions"]))
        self.assertEqual([one["keyName"] for one in manager.get_user_permissions(number)], ["TICKET_VIEW", "USER_MANAGE"])
        self.assertTrue(manager.get_logins(number))
        self.assertEqual(manager.get_logins(self.rows[0]["id"]), [])
        events = manager.get_events(number)
        self.assertTrue(events)
        for event in events:
            self.assertTrue(event["eventName"] and event["eventCreateDate"], event)
        self.assertEqual([manager.get_user_hardware(number), manager.get_user_virtuals(number), manager.get_user_dedicated_host(number)], [[], [], []])

    def test_the_account_and_its_master_user(self):
        account = self.own.call("Account", "getObject")
        self.assertIsInstance(account["id"], int)
        self.assertEqual(self.own.call(USER, "getAccount", id=self.boss["id"])["id"], account["id"])
        self.assertEqual(self.me(self.own)["accountId"], account["id"])
        self.assertEqual(self.own.call("Account", "getMasterUser")["id"], self.root_id)
        self.assertIs(self.root.call(USER, "isMasterUser", id=self.root_id), True)
        self.assertIs(self.own.call(USER, "isMasterUser", id=self.boss["id"]), False)
        self.assertIs(self.me(self.root)["isMasterUserFlag"], True)
        self.assertNotIn("parentId", self.me(self.root))
        self.assertEqual(self.root.call(USER, "getPermissions", id=self.root_id), [])

    def test_what_is_not_served_is_said(self):
        for service, method, text in [
            ("SoftLayer_Nothing", "getObject", "Service does not exist"),
            ("SoftLayer_Network_Vlan", "getObject", "Service does not exist"),
            (USER, "makeCoffee", 'Function ("makeCoffee") is not a valid method for this service.'),
            ("Account", "getHardware", 'Function ("getHardware") is not a valid method for this service.'),
        ]:
            with self.subTest(method):
                answered = self.raises(self.own.call, service, method)
                self.assertEqual(answered.text, text)
                if self.is_rest:
                    self.assertEqual((answered.status, answered.code), (404, PUBLIC))
                else:
                    self.assertEqual(answered.code, "-32601")
        for service, method in [(USER, "getObject"), (USER, "addApiAuthenticationKey"), (KEYS, "getObject"), (USER, "getChildUsers")]:
            answered = self.raises(self.own.call, service, method)
            self.assertIn("invalid method init parameters", answered.text)
            if not self.is_rest:
                self.assertEqual(answered.code, "-32602")


class AskingOverXmlRpc(Asking, XmlRpc, Face):
    def test_a_mask_may_be_a_tree(self):
        both = {"id": self.rows[1]["id"], "username": self.rows[1]["username"]}
        for leaf in ([], "", {}):
            with self.subTest(leaf):
                self.assertEqual(self.get(mask={"id": leaf, "username": leaf}), both)
                tree = {"id": leaf, "userStatus": {"name": leaf}, "parent": {"username": leaf}}
                expected = {"id": both["id"], "userStatus": {"name": "Active"}, "parent": {"username": self.boss["username"]}}
                self.assertEqual(self.get(mask=tree), expected)
        self.refused(OBJECT_MASK, f"Property 'colour' not valid for '{USER}'.", None, self.get, mask={"colour": []})

    def test_faults_become_the_exceptions_that_the_library_has_for_them(self):
        with self.assertRaises(SoftLayer.exceptions.MethodNotFound):
            self.own.call(USER, "makeCoffee")
        with self.assertRaises(SoftLayer.exceptions.InvalidMethodParameters):
            self.own.call(USER, "getObject")


class AskingOverRest(Asking, Rest, Face):
    pass


class SecondFactor:
    """With an authenticator app. Codes of the step before, of the present one and of the next are good, and each step once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = cls.make(stem="careful")
        cls.own = cls.log_in(cls.user["username"])
        cls.key = cls.add_key(cls.own, cls.user)
        token = graphql_login(cls.user["username"], PASSWORD)
        enroll = "mutation($data: PasswordInput!) { enrollTotp(data: $data) { secret } }"
        cls.app = pyotp.TOTP(graphql(enroll, {"data": {"password": PASSWORD}}, token)["enrollTotp"]["secret"])
        # The three codes of a test are computed from the same step, which must last for a while.
        left = 30 - time.time() % 30
        if left < 15:
            time.sleep(left)
        cls.now = int(time.time())
        confirm = "mutation($data: CodeInput!) { confirmTotp(data: $data) { recovery_codes } }"
        graphql(confirm, {"data": {"code": cls.app.at(cls.now - 30)}}, token)

    def binding(self, code, kind="Totp"):
        return {
            "complexType": f"SoftLayer_Container_User_Customer_External_Binding_{kind}", "username": self.user["username"],
            "password": PASSWORD, "vendor": "TOTP", "securityCode": code,
        }

    def login(self, code=None):
        kind = "SoftLayer_Container_Authentication_Request_Native"
        request = {"complexType": kind, "username": self.user["username"], "password": PASSWORD}
        if code is not None:
            request.update(complexType=kind + "_External_Totp", securityCode=code)
        return self.client().call(USER, "getLoginToken", request)

    def test_a_code_is_needed_and_works_once_and_the_key_goes_on_working(self):
        name = self.user["username"]
        present, following = self.app.at(self.now), self.app.at(self.now + 30)
        plain = self.raises(self.client().call, USER, "getPortalLoginToken", name, PASSWORD)
        self.assertNotIn("hash", plain.text)
        perform = lambda code: self.client().call(USER, "performExternalAuthentication", self.binding(code))
        wrong = next(f"{number:06}" for number in range(10) if f"{number:06}" not in (present, following, self.app.at(self.now - 30)))
        failed = "Invalid login credentials provided."
        self.assertEqual(self.raises(perform, wrong).text, failed)
        token = perform(present)
        self.works(self.with_token(token["userId"], token["hash"]), name)
        self.assertEqual(self.raises(perform, present).text, failed)
        asked = self.login()
        self.assertRegex(asked["complexType"], "_2FactorAuthenticationNeeded$")
        self.assertNotIn("token", asked)
        self.assertRegex(self.login(present)["complexType"], "_LoginFailed$")
        right = self.login(following)
        self.assertRegex(right["complexType"], "_Success$")
        self.works(self.with_token(right["token"]["userId"], right["token"]["hash"]), name)
        self.works(self.with_key(name, self.key), name)
        self.works(self.with_key("apikey", self.key), name)
        user = self.root.call(USER, "getObject", id=self.user["id"], mask="mask[externalBindingCount, externalBindings]")
        self.assertEqual((user["externalBindingCount"], len(user["externalBindings"])), (1, 1))
        self.unknown_to(self.app.secret, user)


class SecondFactorOverXmlRpc(SecondFactor, XmlRpc, Face):
    pass


class SecondFactorOverRest(SecondFactor, Rest, Face):
    pass


if __name__ == "__main__":
    unittest.main()
